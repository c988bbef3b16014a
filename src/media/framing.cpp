#include "media/framing.h"

#include <algorithm>
#include <cmath>

namespace mlx_vision::media {
namespace {

/// The default rounding mode is half to even, Python's round().
int rounded(double value) { return int(std::nearbyint(value)); }

}  // namespace

Image centre_crop(const Image& image, int width, int height) {
  const auto start = [](int have, int want) { return (have - want) >> 1; };
  return crop(image, start(image.width(), width), start(image.height(), height), width, height);
}

Image pad_to_square(const Image& image, Rgb colour) {
  const int side = std::max(image.width(), image.height());
  return pad_around(image, side, side, colour);
}

Image pad_around(const Image& image, int width, int height, Rgb colour) {
  if (width == image.width() && height == image.height()) return image;
  return paste_on(image, width, height, (width - image.width()) / 2, (height - image.height()) / 2, colour);
}

Image pad_right_bottom(const Image& image, int width, int height, Rgb colour) {
  if (width == image.width() && height == image.height()) return image;
  return paste_on(image, width, height, 0, 0, colour);
}

Image fitted_and_padded(const Image& image, int width, int height, Filter filter, Rgb colour) {
  const double ratio = double(image.width()) / image.height(), wanted = double(width) / height;
  int new_width = width, new_height = height;
  if (ratio > wanted)
    new_height = rounded(double(image.height()) / image.width() * width);
  else if (ratio < wanted)
    new_width = rounded(double(image.width()) / image.height() * height);
  if (new_width < 1 || new_height < 1)  // nothing is left of the picture
    return paste_on(image, width, height, width, height, colour);
  const Image fitted = image.resized(new_width, new_height, filter);
  const int x = rounded((width - new_width) * 0.5), y = rounded((height - new_height) * 0.5);
  return x == 0 && y == 0 && new_width == width && new_height == height
             ? fitted
             : paste_on(fitted, width, height, x, y, colour);
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
