#include "media/framing.h"

#include <algorithm>
#include <cmath>

namespace mlx_vision::media {
namespace {

/// The default rounding mode is half to even, Python's round().
int rounded(double value) { return int(std::nearbyint(value)); }

}  // namespace

Placement crop_placement(int width, int height, int crop_width, int crop_height) {
  return {.width = width,
          .height = height,
          .x = -((width - crop_width) >> 1),
          .y = -((height - crop_height) >> 1)};
}

Image centre_crop(const Image& image, int width, int height) {
  const Placement at = crop_placement(image.width(), image.height(), width, height);
  return crop(image, -at.x, -at.y, width, height);
}

Placement pad_placement(int width, int height, int canvas_width, int canvas_height) {
  return {
      .width = width, .height = height, .x = (canvas_width - width) / 2, .y = (canvas_height - height) / 2};
}

Image pad_to_square(const Image& image, Rgb colour) {
  const int side = std::max(image.width(), image.height());
  return pad_around(image, side, side, colour);
}

Image pad_around(const Image& image, int width, int height, Rgb colour) {
  if (width == image.width() && height == image.height()) return image;
  const Placement at = pad_placement(image.width(), image.height(), width, height);
  return paste_on(image, width, height, at.x, at.y, colour);
}

Image pad_right_bottom(const Image& image, int width, int height, Rgb colour) {
  if (width == image.width() && height == image.height()) return image;
  return paste_on(image, width, height, 0, 0, colour);
}

Placement fitted_placement(int width, int height, int canvas_width, int canvas_height) {
  const double ratio = double(width) / height, wanted = double(canvas_width) / canvas_height;
  Placement at{.width = canvas_width, .height = canvas_height};
  if (ratio > wanted)
    at.height = rounded(double(height) / width * canvas_width);
  else if (ratio < wanted)
    at.width = rounded(double(width) / height * canvas_height);
  const bool empty = at.width < 1 || at.height < 1;
  at.x = empty ? canvas_width : rounded((canvas_width - at.width) * 0.5);
  at.y = empty ? canvas_height : rounded((canvas_height - at.height) * 0.5);
  return at;
}

Image fitted_and_padded(const Image& image, int width, int height, Filter filter, Rgb colour) {
  const Placement at = fitted_placement(image.width(), image.height(), width, height);
  if (at.width < 1 || at.height < 1) return paste_on(image, width, height, at.x, at.y, colour);
  const Image fitted = image.resized(at.width, at.height, filter);
  return at.width == width && at.height == height ? fitted
                                                  : paste_on(fitted, width, height, at.x, at.y, colour);
}

std::vector<Image> cut_tiles(const Image& image, int width, int height) {
  std::vector<Image> tiles;
  for (int y = 0; y < image.height(); y += height)
    for (int x = 0; x < image.width(); x += width)
      tiles.push_back(
          crop(image, x, y, std::min(width, image.width() - x), std::min(height, image.height() - y)));
  return tiles;
}

}  // namespace mlx_vision::media
