#pragma once
#include <tiffio.h>

#include <array>
#include <vector>

#include "media/codec.h"

namespace mlx_vision::media {

/// How the samples of a TIFF picture become RGB.
enum class TiffKind {
  bits,    ///< gray of 1, 2 or 4 bits
  gray8,   ///< gray in the first sample
  gray16,  ///< clipped, as 12 bits, signed and 32-bit integers are
  gray_float,
  rgb,
  palette,
  cmyk,
  ycbcr,         ///< stored without compression: converted here, as Pillow does
  library_rgba,  ///< libtiff's own conversion to RGBA, for subsampled colour
};

enum class TiffAlpha { none, plain, premultiplied };

/// The tags that say where samples lie and what they mean.
struct TiffFormat {
  TiffKind kind = TiffKind::gray8;
  TiffAlpha alpha = TiffAlpha::none;
  std::string_view mode;  ///< Pillow's name
  int width = 0, height = 0, orientation = 1;
  int bits = 1, samples = 1;
  bool is_signed = false, inverted = false, separate = false, big_endian = false, reversed_bits = false;
  bool jpeg_rgb = false;  ///< the JPEG codec is to convert to RGB
  std::uint16_t compression = 1;
  std::array<std::array<std::uint8_t, 3>, 256> palette = {};

  bool is_raw() const { return compression == COMPRESSION_NONE; }
  std::size_t row_bytes(std::size_t pixels) const {
    return (pixels * std::size_t(bits) * std::size_t(separate ? 1 : samples) + 7) / 8;
  }
};

/// Reads the tags of the current directory. Combinations that Pillow does not know are refused.
/// @throws MediaError, also for sizes beyond the limits
TiffFormat read_tiff_format(const Source& source, TIFF* tiff);

/// Converts `count` pixels of interleaved samples; multi-byte samples are in `big_endian` order.
void convert_tiff_row(const TiffFormat& format, const std::uint8_t* in, std::uint8_t* out, std::size_t count,
                      AlphaMode alpha);

}  // namespace mlx_vision::media
