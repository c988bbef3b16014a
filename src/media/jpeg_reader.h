#pragma once
#include <memory>

#include "media/codec.h"

namespace mlx_vision::media {

/// A JPEG picture, row by row, so that a resize can follow without a full-size frame. Not for concurrent use;
/// the source's bytes must outlive it.
class JpegReader {
 public:
  /// Reads up to the first scan and checks the limits. @throws MediaError
  explicit JpegReader(const Source& source);
  ~JpegReader();
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  int width() const { return info_.width; }
  int height() const { return info_.height; }
  const ImageInfo& info() const { return info_; }

  /// The next row from the top as `width * 3` RGB bytes. @throws MediaError when the data are damaged or end
  /// early.
  void read_row(std::uint8_t* rgb);

 private:
  struct State;
  void fail() const;
  void start();

  const Source& source_;
  ImageInfo info_;
  int components_ = 0;
  std::unique_ptr<State> state_;
};

}  // namespace mlx_vision::media
