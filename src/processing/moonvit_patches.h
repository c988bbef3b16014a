#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

/// Kimi-VL (mlx-vlm's KimiVLImageProcessor, which is the checkpoints' own code): reduced to at most
/// in_token_limit patches, then cropped in the middle to whole groups of merge_kernel_size patches, or with
/// pad_input filled up to them with black at the right and the bottom. What preprocessor_config.json leaves
/// out, config.json's vision_config says.
///
/// Arrays: pixel_values `[patches, 3, patch, patch]` float32, image_grid_hws `[1, 2]` int64.
/// A token for each group. @throws ConfigError; RequestError for `limits`: the number of patches is the
/// limit.
std::unique_ptr<ImageProcessor> make_moonvit_patches(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
