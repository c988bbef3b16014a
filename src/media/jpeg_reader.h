#pragma once
#include <functional>
#include <memory>

#include "media/codec.h"
#include "media/jpeg_rows.h"

namespace mlx_vision::media {

/// The first half of decoding a JPEG picture, which is one stream of bits: bands of it from the top, of which
/// JpegRows makes pixels. Not for concurrent use; the source's bytes must outlive it.
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

  /// What read_band() is going to yield; to be called once. @throws MediaError when the data are damaged or,
  /// of a picture of several scans, end early.
  const JpegBands& start();
  /// The next band, JpegBands::size() units that are zero or come back from JpegRows::take(). @throws
  /// MediaError when the data are damaged or end early.
  void read_band(std::int16_t* band);

 private:
  struct State;
  [[noreturn]] void fail() const;
  [[noreturn]] void fail_at(int y) const;
  void read_pixels(std::uint8_t* pixels);
  void read_coefficients(std::int16_t* blocks);

  const Source& source_;
  ImageInfo info_;
  JpegBands bands_;
  int read_ = 0;  ///< bands
  std::unique_ptr<State> state_;
};

/// Decodes and calls `use` whenever rows can be made, in their order; of a large picture on a second thread
/// while this one reads on. @throws MediaError when the data are damaged or end early; what `use` throws
void stream_rows(JpegReader& reader, const std::function<void(const JpegRows&)>& use);

}  // namespace mlx_vision::media
