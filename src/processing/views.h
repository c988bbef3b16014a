#pragma once
#include <vector>

#include "media/geometry.h"
#include "media/normalize.h"
#include "mlx_vision/preprocess.h"
#include "mlx_vision/tensor.h"
#include "processing/resize_rules.h"

namespace mlx_vision::processing {

/// `shown`, which is a part of a canvas, in the pixels of the original, which lies scaled on that canvas at
/// `at`. Beyond the original where the canvas is.
Box source_box(const Box& shown, const media::Placement& at, Size original);

/// The part `[x, x + width) × [y, y + height)` of an original that was scaled to `scaled`, in its own pixels.
Box source_box(Size original, Size scaled, int x, int y, Size part);

/// All of an original of this size.
Box whole_box(Size original);

/// "whole picture", or "centre crop" where the view leaves out more than half a pixel at the left or the top.
const char* crop_label(const Box& source);

/// Whole square cells that fit into a view; what remains at the right and the bottom is not seen.
Cells square_cells(Size view, int side);

/// `count` cells as the square lattice that fills a square view; none if there is no such lattice.
Cells square_lattice(Size view, int count);

/// What views of one size have in common; 0 = not known.
struct ViewCells {
  int patch = 0;   ///< side of the encoder's patches
  int tokens = 0;  ///< of each view, in a square lattice where they fill one
};

/// One view for each picture of `[…, 3, height, width]`, called "whole picture"; `source` is left to the
/// caller.
std::vector<View> plane_views(const Tensor& planes, const media::NormalizeTable& table,
                              const ViewCells& cells);

/// How a canvas that carries the original at `at` is cut into tiles.
struct TileLayout {
  Grid grid;
  Size tile;
  media::Placement at;
};

/// "row 1, column 2", by the place in a grid of so many columns.
void name_tile(View& view, int index, int columns);

/// Names and sources of a layout's tiles, which stand row by row from views[first] on. A tile that is the
/// only view remains the whole picture.
void place_tiles(std::vector<View>& views, std::size_t first, const TileLayout& layout, Size original);

}  // namespace mlx_vision::processing
