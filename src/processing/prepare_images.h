#pragma once
#include <vector>

#include "mlx_vision/chat.h"
#include "processing/processor.h"

namespace mlx_vision::processing {

/// Prepares every image, several at a time on up to 8 threads, and keeps their order.
/// @throws MediaError naming the image: "image 2 (cat.png): …"; the first one's where several fail.
std::vector<ImageInput> prepare_images(const ImageProcessor& processor, const std::vector<ImagePart>& images);

}  // namespace mlx_vision::processing
