#include "mlx_vision/image.h"

#include <fstream>
#include <string>

#include "media/codec.h"
#include "media/decode_resized.h"
#include "media/encoded_image.h"
#include "media/geometry.h"
#include "media/png_writer.h"
#include "media/resample.h"
#include "mlx_vision/error.h"

namespace mlx_vision {
namespace {

void check_size(int width, int height) {
  const DecodeLimits limits;
  if (width < 1 || height < 1 || std::uint64_t(width) * std::uint64_t(height) > limits.pixels)
    throw MediaError("image: expected 1 to " + std::to_string(limits.pixels) + " pixels, got " +
                     std::to_string(width) + "x" + std::to_string(height));
}

std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t limit) {
  std::error_code error;
  const std::string name = path.string();
  if (!std::filesystem::is_regular_file(path, error))
    throw MediaError(name + ": expected a picture file, got none");
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) throw MediaError(name + ": cannot be read: " + error.message());
  if (size > limit)
    throw MediaError(name + ": expected at most " + std::to_string(limit) + " bytes, got " +
                     std::to_string(size));
  std::vector<std::byte> bytes(size);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), std::streamsize(size));
  if (!file || std::uintmax_t(file.gcount()) != size) throw MediaError(name + ": cannot be read");
  return bytes;
}

media::Bytes as_octets(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

ImageInfo read_image_info(std::span<const std::byte> bytes, const DecodeOptions& options,
                          const std::string& name) {
  return media::decode({as_octets(bytes), name, options, true}).info;
}

ImageInfo read_image_info(const std::filesystem::path& path, const DecodeOptions& options) {
  return read_image_info(read_file(path, options.limits.file_bytes), options, path.string());
}

Image Image::open(const std::filesystem::path& path, const DecodeOptions& options) {
  return open_bytes(read_file(path, options.limits.file_bytes), options, path.string());
}

Image Image::open_bytes(std::vector<std::byte> bytes, const DecodeOptions& options, const std::string& name) {
  if (!media::is_jpeg({as_octets(bytes), name, options})) return from_bytes(bytes, options, name);
  auto encoded = std::make_shared<media::EncodedImage>(std::move(bytes), options, name);
  Image image(encoded->width(), encoded->height(), nullptr,
              std::make_shared<const ImageInfo>(encoded->info()));
  image.encoded_ = std::move(encoded);
  return image;
}

Image Image::from_bytes(std::span<const std::byte> bytes, const DecodeOptions& options,
                        const std::string& name) {
  media::Picture picture = media::decode({as_octets(bytes), name, options});
  return Image(picture.width, picture.height,
               std::make_shared<const std::vector<std::uint8_t>>(std::move(picture.rgb)),
               std::make_shared<const ImageInfo>(std::move(picture.info)));
}

Image Image::from_file(const std::filesystem::path& path, const DecodeOptions& options) {
  const std::vector<std::byte> bytes = read_file(path, options.limits.file_bytes);
  return from_bytes(bytes, options, path.string());
}

Image Image::from_bytes_resized(std::span<const std::byte> bytes, const FittedResize& resize,
                                const DecodeOptions& options, const std::string& name) {
  media::Picture picture = media::decode_resized({as_octets(bytes), name, options}, resize);
  return Image(picture.width, picture.height,
               std::make_shared<const std::vector<std::uint8_t>>(std::move(picture.rgb)),
               std::make_shared<const ImageInfo>(std::move(picture.info)));
}

Image Image::from_file_resized(const std::filesystem::path& path, const FittedResize& resize,
                               const DecodeOptions& options) {
  const std::vector<std::byte> bytes = read_file(path, options.limits.file_bytes);
  return from_bytes_resized(bytes, resize, options, path.string());
}

Image Image::from_rgb(int width, int height, std::vector<std::uint8_t> rgb) {
  check_size(width, height);
  const std::size_t expected = std::size_t(width) * std::size_t(height) * 3;
  if (rgb.size() != expected)
    throw MediaError("image: expected " + std::to_string(expected) + " bytes for " + std::to_string(width) +
                     "x" + std::to_string(height) + " RGB, got " + std::to_string(rgb.size()));
  ImageInfo info{.format = "RAW", .mode = "RGB", .width = width, .height = height};
  return Image(width, height, std::make_shared<const std::vector<std::uint8_t>>(std::move(rgb)),
               std::make_shared<const ImageInfo>(std::move(info)));
}

const std::vector<std::uint8_t>& Image::decoded() const { return encoded_->frame(); }

std::uint64_t Image::undecoded_pixels() const {
  return encoded_ && !encoded_->has_frame() ? std::uint64_t(width_) * std::uint64_t(height_) : 0;
}

Image Image::resized(int width, int height, Filter filter, ResampleRule rule,
                     const std::optional<Box>& box) const {
  const bool whole = !box || (box->left == 0 && box->top == 0 && box->right == float(width_) &&
                              box->bottom == float(height_));
  if (whole && width == width_ && height == height_) return *this;
  if (whole && encoded_)
    if (auto rgb = encoded_->resized_once({[&](int, int) { return std::pair(width, height); }, filter, rule}))
      return Image(width, height, std::make_shared<const std::vector<std::uint8_t>>(*std::move(rgb)), info_);
  Image result = from_rgb(
      width, height, media::resample({pixels().data(), width_, height_}, {width, height, filter, rule, box}));
  result.info_ = info_;
  return result;
}

Image Image::letterboxed(int width, int height, Filter filter) const {
  return media::letterbox(*this, width, height, filter);
}

std::vector<std::byte> Image::to_png() const { return media::write_png({pixels().data(), width_, height_}); }

}  // namespace mlx_vision
