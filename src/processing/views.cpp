#include "processing/views.h"

#include <cmath>

namespace mlx_vision::processing {

Box source_box(Size original, Size scaled, int x, int y, Size part) {
  const double sx = double(original.width) / scaled.width, sy = double(original.height) / scaled.height;
  return {.left = float(x * sx),
          .top = float(y * sy),
          .right = float((x + part.width) * sx),
          .bottom = float((y + part.height) * sy)};
}

Cells square_cells(Size view, int side) {
  if (side < 1) return {};
  return {.width = side, .height = side, .columns = view.width / side, .rows = view.height / side};
}

Cells square_lattice(Size view, int count) {
  const int side = int(std::lround(std::sqrt(double(count))));
  if (side < 1 || side * side != count || view.width % side != 0 || view.height % side != 0) return {};
  return {.width = view.width / side, .height = view.height / side, .columns = side, .rows = side};
}

}  // namespace mlx_vision::processing
