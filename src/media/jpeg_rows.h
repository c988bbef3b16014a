#pragma once
#include <cstdint>
#include <vector>

#include "media/jpeg_kernels.h"

namespace mlx_vision::media {

/// What JpegReader yields at a time: either the coefficients of one row of MCUs, whose pixels are still to be
/// made, or rows of the pixels that libjpeg made.
struct JpegBands {
  int width = 0, height = 0;  ///< of the picture
  int rows = 0;               ///< of the picture in a band; the last band may hold fewer
  int channels = 0;           ///< bytes of one of libjpeg's pixels; 0: the bands hold coefficients
  ChromaSampling sampling = ChromaSampling::full;
  /// Of coefficients. A component's rows of blocks follow each other, one component the other.
  struct Component {
    int block_rows = 0;
    std::size_t blocks = 0;     ///< in a row, a whole number of MCUs
    int width = 0, height = 0;  ///< of the component's part of the picture, in samples
    QuantTable quant = {};
  };
  std::array<Component, 3> components = {};

  int count() const { return (height + rows - 1) / rows; }
  bool has_halved_rows() const { return sampling == ChromaSampling::half_both; }
  /// Of a band, in 16-bit units.
  std::size_t size() const;
};

/// The second half of decoding: makes RGB rows of the bands of a picture, taken in their order. Not for
/// concurrent use, but on any thread.
class JpegRows {
 public:
  explicit JpegRows(const JpegBands& bands);

  /// The next band, which must stay valid until the one after it. Coefficients are cleared, as the reader
  /// needs them.
  void take(std::int16_t* band);
  /// The rows that may be made now, [first(), last()): with the colours of a row between two bands, it comes
  /// with the second of them.
  int first() const { return first_; }
  int last() const { return last_; }
  /// Makes row `y` as `width * 3` RGB bytes.
  void make(int y, std::uint8_t* rgb) const;

 private:
  /// Samples of a band of one component below the last row of the band before it.
  struct Plane {
    std::size_t pitch = 0;
    std::vector<std::uint8_t> storage;

    std::uint8_t* row(int index);  ///< -1: of the band before
    const std::uint8_t* row(int index) const;
  };
  void transform(std::int16_t* band);
  void convert(const std::uint8_t* pixels, std::uint8_t* rgb) const;

  const JpegBands bands_;
  int first_ = 0, last_ = 0, taken_ = 0;
  const std::uint8_t* pixels_ = nullptr;  ///< of the band, if libjpeg made them
  std::array<Plane, 3> planes_;
};

}  // namespace mlx_vision::media
