#pragma once
#include <memory>

#include "mlx_vision/vision_config.h"
#include "processing/processor.h"

namespace mlx_vision::processing {

/// The generic preparation (prepare_image) as a processor: one array for each image, `[1, 3, height, width]`,
/// and no tokens, since a row of the table says nothing of an encoder. The row must be one that a table took.
/// @throws RequestError for limits, which have no meaning where every image gets one size.
std::unique_ptr<ImageProcessor> make_letterboxed(const VisionConfig& row, const ImageLimits& limits);

}  // namespace mlx_vision::processing
