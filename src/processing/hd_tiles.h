#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

/// Phi-3 Vision as mlx-vlm prepares it: the picture squashed to the largest grid of at most num_crops tiles
/// of 336 that suits its shape; first that squashed picture reduced to one tile, then its tiles row by row.
///
/// Arrays: pixel_values `[tiles, 3, 336, 336]` float32, image_sizes `[1, 2]` int64 (height, width of the
/// grid). batch() stacks the pixels, `[images, tiles, 3, 336, 336]`, missing tiles are zeros. The chat
/// template numbers its placeholders, `<|image_1|>`, and the reference's ids for a picture are its negative
/// number; here the placeholder and the token are the tokenizer's own `<|image|>`.
/// @throws ConfigError; RequestError for `limits`, which tiles cannot honour.
std::unique_ptr<ImageProcessor> make_hd_tiles(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
