#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

/// mlx-vlm's --resize-shape: every picture is first brought to the largest size of its own shape that fits
/// into `box` (sides truncated, bicubic), then prepared by `inner`. Pictures that are smaller grow.
/// @throws RequestError for a side below 1; its plan() and prepare(): MediaError when a side would vanish.
std::unique_ptr<ImageProcessor> resize_first(std::unique_ptr<ImageProcessor> inner, Size box);

}  // namespace mlx_vision::processing
