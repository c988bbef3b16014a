#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

/// Pixtral and Mistral 3 (PixtralImageProcessor): reduced until it fits into `size`, then squashed to whole
/// patches of patch_size * spatial_merge_size, which processor_config.json gives; where it does not,
/// config.json.
///
/// Arrays: pixel_values `[1, 3, height, width]` float32, image_sizes `[1, 2]` int64 (height, width of the
/// result). batch() fills smaller pictures up with zeros at the right and the bottom; where do_pad is off
/// they must have one size. The expansion has a token for each patch and a break after each row, an end after
/// the last.
/// @throws ConfigError; RequestError for `limits`, which the rule does not know.
std::unique_ptr<ImageProcessor> make_whole_patches(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
