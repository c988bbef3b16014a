#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

// The longest edge to a fixed length, neither side below min_size, then padded to a square with the mean's
// colour.
//
// Arrays: pixel_values `[1, 3, side, side]` float32; num_image_tokens tokens.
// All throw ConfigError, and RequestError for `limits`, which a fixed size cannot honour.

/// Janus (JanusImageProcessor).
std::unique_ptr<ImageProcessor> make_janus_square(const ProcessorFiles& files, const ImageLimits& limits);
/// DeepSeek-VL (DeepseekVLImageProcessor).
std::unique_ptr<ImageProcessor> make_deepseek_vl_square(const ProcessorFiles& files,
                                                        const ImageLimits& limits);
/// The same models in their original files, as mlx-vlm prepares them: sides truncated, settings from
/// config.json only, vision_config.params.high_res_cfg above all.
std::unique_ptr<ImageProcessor> make_multi_modality_square(const ProcessorFiles& files,
                                                           const ImageLimits& limits);

}  // namespace mlx_vision::processing
