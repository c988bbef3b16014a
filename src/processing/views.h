#pragma once
#include "mlx_vision/preprocess.h"
#include "processing/resize_rules.h"

namespace mlx_vision::processing {

/// The part `[x, x + width) × [y, y + height)` of an original that was scaled to `scaled`, in its own pixels.
Box source_box(Size original, Size scaled, int x, int y, Size part);

/// Whole square cells that fit into a view; what remains at the right and the bottom is not seen.
Cells square_cells(Size view, int side);

/// `count` cells as the square lattice that fills a square view; none if there is no such lattice.
Cells square_lattice(Size view, int count);

}  // namespace mlx_vision::processing
