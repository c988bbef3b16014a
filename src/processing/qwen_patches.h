#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

/// Pictures of any shape as flat patches, for the Qwen-VL line (Qwen2VLImageProcessor): resized to multiples
/// of patch * merge within a pixel budget, each patch repeated over the temporal axis, patches that will be
/// merged standing next to each other.
///
/// Arrays: pixel_values `[patches, 3 * temporal * patch * patch]` float32, image_grid_thw `[1, 3]` int64.
/// `limits` override the checkpoint's budget. @throws ConfigError
std::unique_ptr<ImageProcessor> make_qwen_patches(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
