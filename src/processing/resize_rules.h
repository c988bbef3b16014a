#pragma once
#include <cstdint>

namespace mlx_vision::processing {

/// Width and height of a picture in pixels; both at least 1 where a function takes one.
struct Size {
  int width = 0, height = 0;
  friend bool operator==(const Size&, const Size&) = default;
};

/// Rows and columns of tiles; 0 x 0 = not split.
struct Grid {
  int rows = 0, cols = 0;
  friend bool operator==(const Grid&, const Grid&) = default;
};

struct PixelBudget {
  std::int64_t min = 0, max = 0;
};

// Every function follows the reference's own order of float64 operations, since its truncations depend on it.

/// Qwen2-VL's smart_resize (transformers, models/qwen2_vl): both sides multiples of `factor`, rounded half to
/// even, the area brought into the budget. The budget's ends are at least 1.
/// @throws MediaError when one side is more than 200 times the other, or a side would not fit in an int.
Size smart_resize(Size image, int factor, const PixelBudget& budget);

/// The short side becomes `edge`, the long one keeps the ratio, truncated (transformers,
/// get_resize_output_image_size). @throws MediaError if the long side would not fit in an int.
Size fit_shortest_edge(Size image, int edge);

/// Idefics3's first resize: the long side becomes `edge` whether larger or smaller, the other is truncated,
/// then made even; after that neither side exceeds 4096.
Size fit_longest_edge_even(Size image, int edge);

/// Idefics3's second resize: up to whole tiles of `tile` x `tile`, the long side first.
/// @throws MediaError as fit_shortest_edge.
Size ceil_to_tiles(Size image, int tile);

/// How many tiles a picture of whole tiles is cut into; a single tile is not split.
Grid tile_grid(Size image, int tile);

}  // namespace mlx_vision::processing
