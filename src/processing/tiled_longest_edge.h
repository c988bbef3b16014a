#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

/// Idefics3 and SmolVLM: the longest edge to a fixed length, up to whole tiles, cut into tiles row by row,
/// the whole picture squashed into one more tile at the end. Without do_image_splitting, or when one tile
/// holds it, a single tile.
///
/// Arrays: pixel_values `[tiles, 3, tile, tile]` float32. batch() adds a leading axis of 1, the prompt, and,
/// unless do_pad is off, pixel_attention_mask `[1, tiles, tile, tile]` int64: all ones, every tile is full.
/// The expansion names each tile's row and column, as Idefics3Processor and SmolVLMProcessor write them.
/// @throws ConfigError; RequestError for `limits`, which the tiles cannot honour.
std::unique_ptr<ImageProcessor> make_tiled_longest_edge(const ProcessorFiles& files,
                                                        const ImageLimits& limits);

}  // namespace mlx_vision::processing
