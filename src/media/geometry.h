#pragma once
#include <array>
#include <cstdint>

#include "mlx_vision/image.h"

namespace mlx_vision::media {

/// A colour for areas that no picture covers; red, green, blue.
using Rgb = std::array<std::uint8_t, 3>;

/// The rectangle `[x, x + width) × [y, y + height)`. As Pillow's `crop`, it may reach beyond the picture (x
/// and y may be negative): what lies outside becomes `outside`.
/// @throws MediaError if a side is below 1 or the result exceeds the decode limits' pixel count.
Image crop(const Image& image, int x, int y, int width, int height, Rgb outside = {0, 0, 0});

/// `image` on a `width × height` canvas of one colour, its left upper corner at (x, y), which may be
/// negative; what lies outside the canvas is cut off. @throws MediaError as crop.
Image paste_on(const Image& image, int width, int height, int x, int y, Rgb colour);

/// Where letterbox puts a picture of `width × height`: its size there and its left upper corner.
struct Placement {
  int width = 0, height = 0, x = 0, y = 0;
};
Placement letterbox_placement(int width, int height, int canvas_width, int canvas_height);

/// The picture at its own aspect ratio in the middle of a black `width × height` canvas, which is how a model
/// without an image rule of its own is served. Wider than the canvas: width as the canvas, height truncated;
/// else the other way round; no side below 1. An odd pixel goes to the right and the bottom.
/// @throws MediaError for a canvas side below 1 or above the decode limits' pixel count.
Image letterbox(const Image& image, int width, int height, Filter filter = Filter::lanczos);

}  // namespace mlx_vision::media
