#pragma once
#include <span>
#include <vector>

#include "processing/resize_rules.h"

namespace mlx_vision::processing {

/// Most tiles of one picture; no known model has more than a few dozen.
inline constexpr int kMostTiles = 4096;

/// How many tiles a picture may be cut into; 1 <= least <= most <= kMostTiles.
struct TileCount {
  int least = 1, most = 1;
};

/// Which of two grids is taken when their aspect ratios are equally near.
enum class GridTie {
  more_tiles,  ///< the one with more tiles, unless the picture has at most half of its pixels (GotOcr2, LFM2)
  nearest_area,  ///< the one whose pixels are nearer to the picture's (InternVL's own code)
};

/// The grid whose aspect ratio is nearest to the picture's. `tile` is one tile's size. Grids are tried by
/// number of tiles, then by columns.
Grid nearest_ratio_grid(Size image, Size tile, TileCount count, GridTie tie);

/// The grid that enlarges the picture least, or where all of them reduce it, reduces it least (transformers,
/// cohere2_vision). Tiles are square.
Grid least_upscale_grid(Size image, int tile, int most);

/// Llama 3.2 Vision's canvas: as least_upscale_grid, the smallest of equal ones.
Grid least_upscale_canvas(Size image, int tile, int most);

/// The number of least_upscale_canvas's grid in the order of its candidates, from 1.
int canvas_id(Grid grid, int most);

/// The candidate that keeps most of the picture's pixels, then the one that wastes least; the first of equal
/// ones. (transformers, select_best_resolution). `candidates` is not empty.
Size best_resolution(Size image, std::span<const Size> candidates);

}  // namespace mlx_vision::processing
