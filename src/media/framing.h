#pragma once
#include <vector>

#include "media/geometry.h"

namespace mlx_vision::media {

/// The `width × height` middle of the picture; black where it is smaller. An odd pixel is taken off at the
/// right and the bottom, and as Python's floor division has it, added at the left and the top.
/// @throws MediaError as crop
Image centre_crop(const Image& image, int width, int height);

/// Where centre_crop's result has a picture of `width × height`.
Placement crop_placement(int width, int height, int crop_width, int crop_height);

/// On a square of its longer side, in the middle; an odd pixel goes to the right or the bottom.
/// @throws MediaError as paste_on
Image pad_to_square(const Image& image, Rgb colour);

/// In the middle of a `width × height` canvas that holds it; odd pixels go to the right and the bottom.
/// @throws MediaError as paste_on
Image pad_around(const Image& image, int width, int height, Rgb colour);

/// Where pad_around puts a picture of `width × height`.
Placement pad_placement(int width, int height, int canvas_width, int canvas_height);

/// At the left upper corner of a `width × height` canvas that holds it. @throws MediaError as paste_on
Image pad_right_bottom(const Image& image, int width, int height, Rgb colour);

/// Pillow's `ImageOps.pad`: resized to fit into `width × height`, the shorter side rounded half to even, and
/// centred, the offset rounded half to even as well. Only the colour where the shorter side rounds to 0.
/// @throws MediaError as resized.
Image fitted_and_padded(const Image& image, int width, int height, Filter filter, Rgb colour);

/// Where fitted_and_padded puts a picture of `width × height`, outside of the canvas if a side is 0.
Placement fitted_placement(int width, int height, int canvas_width, int canvas_height);

/// Parts of `width × height`, row by row; the last ones of a row or column may be smaller.
std::vector<Image> cut_tiles(const Image& image, int width, int height);

}  // namespace mlx_vision::media
