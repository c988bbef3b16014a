#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

/// DeepSeek-VL2 as mlx-vlm prepares it: the whole picture fitted into one tile, then fitted into the best of
/// candidate_resolutions and cut row by row; the mean's colour around both. A prompt of more than two
/// pictures has one such tile for each. All settings are processor_config.json's.
///
/// Arrays: images `[1 + tiles, 3, tile, tile]` float32, images_spatial_crop `[1, 2]` int64 (columns, rows of
/// tiles). batch() adds a leading axis of 1, the prompt. The expansion is one run of tokens: each row of a
/// view has one more, one stands between the views.
/// @throws ConfigError; RequestError for `limits`, which tiles cannot honour.
std::unique_ptr<ImageProcessor> make_letterboxed_tiles(const ProcessorFiles& files,
                                                       const ImageLimits& limits);

}  // namespace mlx_vision::processing
