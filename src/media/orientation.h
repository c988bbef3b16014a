#pragma once
#include "media/codec.h"

namespace mlx_vision::media {

/// What an EXIF orientation does to the stored picture: columns in reverse, rows in reverse, and then both
/// exchanged.
struct Turn {
  explicit Turn(int orientation)
      : transposed(orientation >= 5),
        mirrored(orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8),
        flipped(orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) {}
  bool transposed, mirrored, flipped;
};

/// Turns and mirrors the pixels so that the EXIF `orientation` (1..8) becomes 1. Width and height change
/// places for 5 to 8. The info keeps the stored size and orientation.
Picture oriented(Picture picture, int orientation);

}  // namespace mlx_vision::media
