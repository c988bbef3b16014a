#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mlx_vision/export.h"

namespace mlx_vision {

namespace media {
class EncodedImage;
}

/// What becomes of transparency when a picture is converted to RGB. `drop` keeps the stored colours, as
/// Pillow's convert("RGB"); the others composite on that colour.
enum class AlphaMode { drop, white, black };

/// Limits that are checked before memory is allocated. Defaults are Pillow's own, or stricter.
struct DecodeLimits {
  std::uint64_t file_bytes = 256ull << 20;
  std::uint64_t pixels = 178'956'970;  ///< width * height; Pillow's error limit
  int side = 65'535;                   ///< width or height
  int progressive_scans = 500;         ///< of a JPEG
};

struct DecodeOptions {
  AlphaMode alpha = AlphaMode::drop;
  bool apply_orientation = true;  ///< EXIF, XMP or AVIF orientation
  DecodeLimits limits = {};
};

/// What the file said, before conversion.
struct ImageInfo {
  std::string
      format;        ///< "JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF", "AVIF", "HEIC"; "RAW" for pixels
  std::string mode;  ///< Pillow's name of the stored mode: "RGB", "RGBA", "L", "P", "CMYK", "I;16", …
  int width = 0;     ///< as stored, before orientation
  int height = 0;
  int orientation = 1;  ///< EXIF value, 1..8

  /// Width and height once it is turned as its orientation says.
  std::pair<int, int> seen_size() const {
    return orientation >= 5 ? std::pair(height, width) : std::pair(width, height);
  }
};

/// What an image file says of itself; decodes no pixel, so that damage behind the header goes unnoticed.
/// @throws MediaError as Image::from_file does for headers and limits.
MLX_VISION_API ImageInfo read_image_info(const std::filesystem::path& path,
                                         const DecodeOptions& options = {});
/// The same for a file in memory. `name` appears in errors.
MLX_VISION_API ImageInfo read_image_info(std::span<const std::byte> bytes, const DecodeOptions& options = {},
                                         const std::string& name = "image");

enum class PixelFormat { rgb, rgba, gray };

/// Pixels in the caller's memory, 8 bits a channel, rows from the top; not kept after the call.
struct PixelView {
  const std::uint8_t* data = nullptr;
  int width = 0, height = 0;
  PixelFormat format = PixelFormat::rgb;
  std::size_t stride = 0;  ///< bytes from row to row; 0 = tightly packed
};

enum class Filter { nearest, box, bilinear, hamming, bicubic, lanczos };

/// Whose arithmetic a resize reproduces bit by bit. Pillow 13 chooses the pass order by the ratio; up to 12
/// it was horizontal first; torchvision's uint8 antialias rule uses 16-bit weights.
enum class ResampleRule { pillow13, pillow12, torchvision };

/// A part of an image in its own pixel coordinates, as Pillow's `box` (float32).
struct Box {
  float left = 0, top = 0, right = 0, bottom = 0;
};

/// A resize to a size that depends on the picture's own, as `size(width, height) -> {width, height}`.
struct FittedResize {
  std::function<std::pair<int, int>(int, int)> size;
  Filter filter = Filter::bicubic;
  ResampleRule rule = ResampleRule::pillow13;
};

/// An 8-bit RGB picture, tightly packed rows from the top (`[height, width, 3]`). Cheap to copy: copies share
/// immutable pixels. Safe to use from any thread.
///
/// One that open() made may still be encoded. Its first resized() then decodes and resamples in one go,
/// without a frame of full size; a second one, pixels() or row() decodes it once, for all copies, and keeps
/// the frame.
///
///     auto photo = mlx_vision::Image::open("photo.jpg");                // turned as its EXIF data says
///     auto bytes = mlx_vision::Image::from_bytes(std::as_bytes(std::span(body)), {}, "upload");
///     auto frame = mlx_vision::Image::from_pixels({.data = rgba, .width = 640, .height = 480,
///                                                  .format = mlx_vision::PixelFormat::rgba});
///     auto small = photo.resized(336, 336, mlx_vision::Filter::bicubic);
class MLX_VISION_API Image {
 public:
  /// Reads a file and its header, for an image that will be prepared for a model. A JPEG is decoded when its
  /// pixels are needed, every other format at once.
  /// @throws MediaError naming the file; damage behind a JPEG's header is reported by what decodes it.
  static Image open(const std::filesystem::path& path, const DecodeOptions& options = {});
  /// The same for a file held in memory. `name` appears in errors.
  static Image open_bytes(std::vector<std::byte> bytes, const DecodeOptions& options = {},
                          const std::string& name = "image");
  /// Decodes a file of any supported format, recognised by content.
  /// @throws MediaError naming the file, what is wrong and where.
  static Image from_file(const std::filesystem::path& path, const DecodeOptions& options = {});
  /// Decodes a file held in memory. `name` appears in errors.
  static Image from_bytes(std::span<const std::byte> bytes, const DecodeOptions& options = {},
                          const std::string& name = "image");
  /// from_bytes(…).resized(…) in one go: the same pixels, but a JPEG is resampled while it is decoded and
  /// never held at full size, which takes less time and far less memory. @throws MediaError
  static Image from_bytes_resized(std::span<const std::byte> bytes, const FittedResize& resize,
                                  const DecodeOptions& options = {}, const std::string& name = "image");
  /// from_file(…).resized(…) in one go. @throws MediaError
  static Image from_file_resized(const std::filesystem::path& path, const FittedResize& resize,
                                 const DecodeOptions& options = {});
  /// Takes pixels; gray is repeated, alpha treated as `alpha` says. @throws MediaError
  static Image from_pixels(const PixelView& view, AlphaMode alpha = AlphaMode::drop);
  /// Takes ownership of `width * height * 3` packed RGB bytes. @throws MediaError if the size differs.
  static Image from_rgb(int width, int height, std::vector<std::uint8_t> rgb);

  int width() const { return width_; }
  int height() const { return height_; }
  /// `[height, width, 3]`, packed; valid as long as this image or a copy of it.
  /// @throws MediaError if it came from open() and is damaged; so does row().
  std::span<const std::uint8_t> pixels() const { return pixels_ ? *pixels_ : decoded(); }
  const std::uint8_t* row(int y) const { return pixels().data() + std::size_t(y) * width_ * 3; }
  const ImageInfo& info() const { return *info_; }
  /// Pixels of the frame that this image and its copies may still come to hold, at 3 bytes each; 0 when they
  /// hold it.
  std::uint64_t undecoded_pixels() const;

  /// @throws MediaError if a side is below 1 or the box lies outside the image.
  Image resized(int width, int height, Filter filter, ResampleRule rule = ResampleRule::pillow13,
                const std::optional<Box>& box = std::nullopt) const;
  /// The whole picture at its own aspect ratio in the middle of a black `width × height` canvas. One side is
  /// the canvas's, the other is truncated to whole pixels, at least 1. @throws MediaError as resized
  Image letterboxed(int width, int height, Filter filter = Filter::lanczos) const;
  /// A PNG file of the pixels. @throws MediaError
  std::vector<std::byte> to_png() const;

 private:
  Image(int width, int height, std::shared_ptr<const std::vector<std::uint8_t>> pixels,
        std::shared_ptr<const ImageInfo> info)
      : width_(width), height_(height), pixels_(std::move(pixels)), info_(std::move(info)) {}
  const std::vector<std::uint8_t>& decoded() const;

  int width_, height_;
  std::shared_ptr<const std::vector<std::uint8_t>> pixels_;  ///< null: encoded_ has them
  std::shared_ptr<media::EncodedImage> encoded_;
  std::shared_ptr<const ImageInfo> info_;
};

}  // namespace mlx_vision
