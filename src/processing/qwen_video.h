#pragma once
#include <memory>

#include "processing/processor.h"
#include "processing/video.h"

namespace mlx_vision::processing {

/// Qwen2-VL's: frames in pairs, each within the budget of a picture. `limits` as for pictures.
std::unique_ptr<VideoProcessor> make_qwen2_video(const ProcessorFiles& files, const ImageLimits& limits);

/// Qwen2.5-VL's: the same, and how much time lies between pairs.
std::unique_ptr<VideoProcessor> make_qwen2_5_video(const ProcessorFiles& files, const ImageLimits& limits);

/// Qwen3-VL's and 3.5's: a budget for all frames together, and a time in the text before each pair.
std::unique_ptr<VideoProcessor> make_qwen3_video(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
