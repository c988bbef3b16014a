#include "media/orientation.h"

#include <cstring>
#include <utility>

namespace mlx_vision::media {

Picture oriented(Picture picture, int orientation) {
  if (orientation < 2 || orientation > 8) return picture;
  const Turn turn(orientation);
  const std::ptrdiff_t width = picture.width, height = picture.height;
  // Where the pixel that comes first in the result lies in the stored picture, and the steps to its right and
  // lower neighbours.
  const std::ptrdiff_t start = (turn.flipped ? (height - 1) * width : 0) + (turn.mirrored ? width - 1 : 0);
  std::ptrdiff_t right = turn.mirrored ? -1 : 1, down = turn.flipped ? -width : width;
  Picture result;
  result.width = turn.transposed ? picture.height : picture.width;
  result.height = turn.transposed ? picture.width : picture.height;
  result.info = std::move(picture.info);
  result.rgb.resize(picture.rgb.size());
  if (turn.transposed) std::swap(right, down);
  std::uint8_t* to = result.rgb.data();
  for (int y = 0; y < result.height; ++y) {
    const std::uint8_t* from = picture.rgb.data() + 3 * (start + y * down);
    for (int x = 0; x < result.width; ++x, to += 3) {
      std::memcpy(to, from, 3);
      if (x + 1 < result.width) from += 3 * right;
    }
  }
  return result;
}

}  // namespace mlx_vision::media
