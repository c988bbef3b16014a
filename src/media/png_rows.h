#pragma once
#include <zlib.h>

#include <cstdint>
#include <vector>

#include "media/png_chunks.h"

namespace mlx_vision::media {

/// Inflates and unfilters the rows of a PNG picture. On zlib itself, because libspng does not verify the
/// checksum of the compressed stream, and damaged pixels would pass for a picture.
class PngRows {
 public:
  /// `source` and `chunks` must outlive it. @throws MediaError
  PngRows(const Source& source, const PngChunks& chunks);
  ~PngRows();
  PngRows(const PngRows&) = delete;
  PngRows& operator=(const PngRows&) = delete;

  /// Rows of `width` pixels follow; the row above the first counts as zero.
  void start_pass(std::size_t width);
  /// The next row's samples, packed as in the file, valid until the next call. `y` appears in errors.
  /// @throws MediaError for damaged data and when they end early
  const std::uint8_t* next(int y);
  /// @throws MediaError if the stream's checksum is there and wrong
  void finish();

 private:
  int inflate_to(std::uint8_t* to, std::size_t size);
  bool unfilter();

  const Source& source_;
  const PngChunks& chunks_;
  std::size_t part_ = 0, pixel_bytes_ = 1, pixel_bits_ = 1;
  z_stream stream_ = {};
  /// A row each with the filter's byte at [15], so that samples start at an aligned 16.
  std::vector<std::uint8_t> current_, above_;
};

}  // namespace mlx_vision::media
