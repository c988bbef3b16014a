#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

/// Every picture at one size, for the LLaVA line. image_processor_type chooses the steps:
/// CLIPImageProcessor (shortest edge, centre crop), SiglipImageProcessor (squashed to the size) or
/// LlavaImageProcessor (as CLIP; with do_pad first padded to a square with the mean's colour).
///
/// Arrays: pixel_values `[1, 3, height, width]` float32. The number of tokens follows processor_config.json
/// as LlavaProcessor counts them; a checkpoint without it, which the reference cannot run, is counted from
/// config.json as its model would need.
/// @throws ConfigError; RequestError for `limits`, which a fixed size cannot honour.
std::unique_ptr<ImageProcessor> make_fixed_square(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
