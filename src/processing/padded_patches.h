#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

// Pictures at their own aspect ratio as flat patches `[patch, patch, 3]`, filled up to a fixed number with
// zeros. All throw ConfigError, and RequestError for `limits`, since the number of patches is the limit.

/// SigLIP 2 in its NaFlex form (Siglip2ImageProcessor): the largest size of at most max_num_patches.
///
/// Arrays: pixel_values `[1, max_num_patches, 3 * patch * patch]` float32, pixel_attention_mask
/// `[1, max_num_patches]` and spatial_shapes `[1, 2]` (rows, columns) int64. A token for each patch.
std::unique_ptr<ImageProcessor> make_naflex_patches(const ProcessorFiles& files, const ImageLimits& limits);

/// Gemma 4 (Gemma4ImageProcessor): the largest size of at most max_soft_tokens pools of pooling_kernel_size
/// patches a side.
///
/// Arrays: pixel_values `[1, max, 3 * patch * patch]` float32, image_position_ids `[1, max, 2]` (column, row;
/// -1 for filling) and num_soft_tokens_per_image `[1]` int64. A token for each pool, between markers.
std::unique_ptr<ImageProcessor> make_pooled_patches(const ProcessorFiles& files, const ImageLimits& limits);

/// Gemma 4 without an encoder (Gemma4UnifiedImageProcessor): the same size as pooled patches give, patches of
/// a whole pool. Arrays as there, a patch for each token; torchvision's resampling, since the reference has
/// no other.
std::unique_ptr<ImageProcessor> make_merged_patches(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
