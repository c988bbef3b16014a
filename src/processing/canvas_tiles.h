#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

/// Llama 3.2 Vision (MllamaImageProcessor): the canvas of at most max_image_tiles tiles that enlarges the
/// picture least, the picture fitted into it at the left upper corner, black elsewhere, cut row by row.
///
/// Arrays: pixel_values `[1, max_image_tiles, 3, tile, tile]` float32, missing tiles are zeros;
/// aspect_ratio_ids
/// `[1]` (the canvas's number, from 1), aspect_ratio_mask `[1, max_image_tiles]` and num_tiles `[1]` int64.
/// batch() adds a leading axis of 1, the prompt. The language model looks at the tiles; in the prompt the
/// picture is its placeholder, one token.
/// @throws ConfigError; RequestError for `limits`, which tiles cannot honour.
std::unique_ptr<ImageProcessor> make_canvas_tiles(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
