#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "processing/resize_rules.h"

namespace mlx_vision::processing {

/// image_grid_pinpoints, the sizes that a picture's tiles may make up together. @throws ConfigError
std::vector<Size> read_pinpoints(const core::ConfigReader& config, std::vector<Size> fallback);

/// LLaVA-NeXT's, where a checkpoint names none.
std::vector<Size> llava_next_pinpoints();

inline constexpr std::string_view kMostTilesKey = "vision_aspect_ratio";
/// The number in its "anyres_max_N", 9 where it is absent. @throws ConfigError
int read_most_tiles(const core::ConfigReader& config);

/// One axis of the rows of all tiles: the padding's are dropped at both ends, the others resampled.
struct RowAxis {
  std::int64_t all = 0, unpadded = 0, kept = 0;

  std::int64_t padding() const { return (all - unpadded) / 2; }
  /// How many of the kept ones have their middle in `[begin, end)` of all.
  int within(std::int64_t begin, std::int64_t end) const;
};

/// Encoder rows of any-resolution tiles that the language model sees.
struct AnyresRows {
  RowAxis down, across;
};

/// `tiles` is the grid that the picture was cut into, `patches` that of one tile. Beyond most_tiles
/// (anyres_max_N, 0 = never) the rows are resampled. (transformers, LlavaNextProcessor and
/// LlavaOnevisionProcessor: _get_number_of_features)
AnyresRows anyres_rows(Size image, Grid tiles, Grid patches, int most_tiles);

}  // namespace mlx_vision::processing
