#pragma once
#include "media/codec.h"

namespace mlx_vision::media {

/// Turns and mirrors the pixels so that the EXIF `orientation` (1..8) becomes 1. Width and height change
/// places for 5 to 8. The info keeps the stored size and orientation.
Picture oriented(Picture picture, int orientation);

}  // namespace mlx_vision::media
