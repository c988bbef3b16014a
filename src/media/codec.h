#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mlx_vision/image.h"

namespace mlx_vision::media {

using Bytes = std::span<const std::uint8_t>;

/// An encoded picture and what the caller wants of it; the codecs' common input.
struct Source {
  Bytes bytes;
  std::string name;  ///< stands before every error text
  const DecodeOptions& options;
  bool header_only = false;  ///< decoders return what the header says and leave Picture::rgb empty

  /// @throws MediaError "name: why"
  [[noreturn]] void fail(std::string_view why) const;
  /// "name: FORMAT data is truncated: why". @throws MediaError
  [[noreturn]] void truncated(std::string_view format, std::string_view why) const;
  /// To be called before any memory is taken for pixels. @throws MediaError beyond the limits or below 1.
  void check_size(std::int64_t width, std::int64_t height) const;
};

/// A decoded picture in the stored orientation.
struct Picture {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  ///< `[height, width, 3]`
  ImageInfo info;

  /// No pixels yet.
  static Picture header(const ImageInfo& info);
  /// Zero-filled pixels; the caller has checked the size.
  static Picture blank(const ImageInfo& info);
  std::uint8_t* row(int y) { return rgb.data() + std::size_t(y) * std::size_t(width) * 3; }
};

/// One function per format. Each reads Source::bytes, applies the limits before it allocates and converts to
/// RGB as Pillow's convert("RGB"). Orientation is reported in the info and left to the caller.
/// @throws MediaError for anything but a complete, well-formed picture.
Picture decode_jpeg(const Source& source);
Picture decode_png(const Source& source);
Picture decode_webp(const Source& source);
Picture decode_gif(const Source& source);
Picture decode_bmp(const Source& source);
Picture decode_pnm(const Source& source);
Picture decode_tiff(const Source& source);
Picture decode_avif(const Source& source);
Picture decode_heic(const Source& source);

/// By content. @throws MediaError if the file is larger than the limit.
bool is_jpeg(const Source& source);

/// Recognises the format by content and decodes, the orientation applied if the options say so.
/// @throws MediaError
Picture decode(const Source& source);

}  // namespace mlx_vision::media
