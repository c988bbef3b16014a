#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

/// Idefics2 (Idefics2ImageProcessor): the long side at most longest_edge, both at least shortest_edge. With
/// do_image_splitting the four quarters of the picture before it, each resized by itself.
///
/// Arrays: pixel_values `[views, 3, height, width]` float32 and pixel_attention_mask `[views, height, width]`
/// int64, the views filled up to the largest with zeros after normalisation. batch() fills up to the largest
/// picture and adds a leading axis of 1, the prompt. image_seq_len tokens for each view, a fake token around
/// each. Where fake tokens of neighbouring pictures meet the reference keeps one and puts a space between the
/// last one and a word, which is the prompt's business.
/// @throws ConfigError; RequestError for `limits`, which the rule does not know.
std::unique_ptr<ImageProcessor> make_masked_images(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
