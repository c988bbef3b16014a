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

/// What multiplies the area: when it is held against the budget, and when it is brought into it.
struct FrameCounts {
  int compared = 1, scaled = 1;
};

// Every function follows the reference's own order of float64 operations, since its truncations depend on it.

/// Qwen2-VL's smart_resize (transformers, models/qwen2_vl): both sides multiples of `factor`, rounded half to
/// even, the area brought into the budget. The budget's ends are at least 1. Some count the frames of a
/// video, or those that one picture stands for: see FrameCounts.
/// @throws MediaError when one side is more than 200 times the other, or a side would not fit in an int.
Size smart_resize(Size image, int factor, const PixelBudget& budget, const FrameCounts& frames = {});

/// LFM2-VL's: smart_resize for pictures of any shape, where rounding leaves at least one `factor` a side.
/// @throws MediaError as fit_shortest_edge.
Size smart_resize_any_shape(Size image, int factor, const PixelBudget& budget);

/// The multiple of `factor` that is nearest, halves to even.
std::int64_t nearest_multiple(int value, int factor);

/// What GLM-4V does before smart_resize: a picture with a side below `factor` grows by one scale until it has
/// none; sides truncated. @throws MediaError as fit_shortest_edge.
Size enlarged_to_factor(Size image, int factor);

/// What PaddleOCR-VL does before smart_resize: a side below `factor` becomes `factor`, the other one grows
/// with it, rounded half to even; first the height, then the width. @throws MediaError as fit_shortest_edge.
Size sides_raised_to_factor(Size image, int factor);

/// The short side becomes `edge`, the long one keeps the ratio, truncated (transformers,
/// get_resize_output_image_size). @throws MediaError if the long side would not fit in an int.
Size fit_shortest_edge(Size image, int edge);

/// Idefics3's first resize: the long side becomes `edge` whether larger or smaller, the other is truncated,
/// then made even; after that neither side exceeds 4096.
Size fit_longest_edge_even(Size image, int edge);

/// Idefics3's second resize: up to whole tiles of `tile` x `tile`, the long side first.
/// @throws MediaError as fit_shortest_edge.
Size ceil_to_tiles(Size image, int tile);

/// LLaVA-NeXT's: as large as fits into `box`, the other side rounded up (transformers,
/// get_patch_output_size).
Size fit_into(Size image, Size box);

/// DeepSeek-VL's and Janus's: the long side becomes `edge`, the other one keeps the ratio, rounded half to
/// even; neither below `least`.
Size fit_longest_edge(Size image, int edge, int least);

/// As fit_longest_edge, truncated; the way of mlx-vlm's multi_modality.
Size fit_longest_edge_truncated(Size image, int edge, int least);

/// Pixtral's: reduced, sides rounded down, until it fits into `most`, then up to whole patches.
Size fit_whole_patches(Size image, Size most, Size patch);

/// Idefics2's: the long side reduced to `longest`, the other truncated, then both raised to `shortest`.
Size fit_between_edges(Size image, int shortest, int longest);

/// Kimi-VL's: reduced, sides truncated, when it has more than `most` whole patches.
/// @throws MediaError if a side would be 0.
Size fit_patch_count(Size image, int patch, std::int64_t most);

/// SigLIP 2's: the largest scale, found by halving down to 1e-5, whose sides rounded up to whole patches have
/// at most `most` patches. At least one patch a side, so that a very thin picture may have more.
/// @throws MediaError as fit_shortest_edge.
Size fill_patch_count(Size image, int patch, int most);

/// Gemma 4's: the area of `most` patches, sides rounded down to multiples of patch * pool; one that would be
/// 0 is made one such multiple and the other follows the ratio, rounded down.
/// @throws MediaError where the reference does: both sides 0, or more than `most` patches.
Size fill_pooled_patches(Size image, int patch, int pool, int most);

/// Llama 3.2 Vision's: at least a tile and at most the canvas, scaled by the smaller ratio, rounded down, at
/// least 1.
Size fit_canvas(Size image, Size canvas, int tile);

/// Phi-3 Vision's: the widest row of `unit`s (along the longer side) whose grid has at most `most`; the
/// picture is squashed to that grid. @throws MediaError for a picture so thin that no grid exists.
Size hd_canvas(Size image, int unit, int most);

/// How many tiles a picture of whole tiles is cut into; a single tile is not split.
Grid tile_grid(Size image, int tile);

}  // namespace mlx_vision::processing
