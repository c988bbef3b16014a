#include "media/geometry.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "mlx_vision/error.h"

namespace mlx_vision::media {
namespace {

void check_canvas(std::int64_t width, std::int64_t height) {
  const auto limit = std::int64_t(DecodeLimits{}.pixels);
  if (width < 1 || height < 1 || width > limit || height > limit || width * height > limit)
    throw MediaError("image: expected 1 to " + std::to_string(limit) + " pixels, got " +
                     std::to_string(width) + "x" + std::to_string(height));
}

std::vector<std::uint8_t> canvas(std::int64_t width, std::int64_t height, Rgb colour) {
  check_canvas(width, height);
  const auto count = std::size_t(width) * std::size_t(height);
  if (colour[0] == colour[1] && colour[1] == colour[2])
    return std::vector<std::uint8_t>(count * 3, colour[0]);
  std::vector<std::uint8_t> pixels(count * 3);
  for (std::size_t i = 0; i < count; ++i) std::memcpy(pixels.data() + 3 * i, colour.data(), 3);
  return pixels;
}

}  // namespace

Image paste_on(const Image& image, int width, int height, int x, int y, Rgb colour) {
  std::vector<std::uint8_t> pixels = canvas(width, height, colour);
  const std::int64_t left = std::max(x, 0),
                     right = std::min<std::int64_t>(std::int64_t(x) + image.width(), width);
  const std::int64_t top = std::max(y, 0),
                     bottom = std::min<std::int64_t>(std::int64_t(y) + image.height(), height);
  for (std::int64_t row = top; row < bottom && left < right; ++row) {
    const std::uint8_t* from = image.row(int(row - y)) + 3 * (left - x);
    std::memcpy(pixels.data() + 3 * (row * width + left), from, std::size_t(3 * (right - left)));
  }
  return Image::from_rgb(width, height, std::move(pixels));
}

Placement letterbox_placement(int width, int height, int canvas_width, int canvas_height) {
  const double aspect = double(width) / height;
  const bool wider = aspect > double(canvas_width) / canvas_height;
  Placement out;
  out.width = wider ? canvas_width : std::max(1, int(canvas_height * aspect));
  out.height = wider ? std::max(1, int(canvas_width / aspect)) : canvas_height;
  out.x = (canvas_width - out.width) / 2;
  out.y = (canvas_height - out.height) / 2;
  return out;
}

Image letterbox(const Image& image, int width, int height, Filter filter) {
  check_canvas(width, height);
  const Placement at = letterbox_placement(image.width(), image.height(), width, height);
  return paste_on(image.resized(at.width, at.height, filter), width, height, at.x, at.y, {0, 0, 0});
}

Image crop(const Image& image, int x, int y, int width, int height, Rgb outside) {
  if (x == 0 && y == 0 && width == image.width() && height == image.height()) return image;
  if (x <= -DecodeLimits{}.side - 1 || y <= -DecodeLimits{}.side - 1)
    throw MediaError("image: crop starts too far outside, at " + std::to_string(x) + "," + std::to_string(y));
  return paste_on(image, width, height, -x, -y, outside);
}

}  // namespace mlx_vision::media
