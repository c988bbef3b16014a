#pragma once
#include <memory>

#include "processing/processor.h"
#include "processing/video.h"

namespace mlx_vision::processing {

// Videos whose frames are squares, each prepared on its own.

/// InternVL's: a line "Frame1: <img>…</img>" for each.
std::unique_ptr<VideoProcessor> make_internvl_video(const ProcessorFiles& files, const ImageLimits& limits);

/// SmolVLM's: a sentence with their number and the video's length, then each behind its time.
std::unique_ptr<VideoProcessor> make_smolvlm_video(const ProcessorFiles& files, const ImageLimits& limits);

/// LLaVA-OneVision's: all in one run, each reduced to half its rows and columns, and a line end.
std::unique_ptr<VideoProcessor> make_onevision_video(const ProcessorFiles& files, const ImageLimits& limits);

/// "sixty-four", as num2words writes numbers from 0 to 999,999.
std::string number_words(int number);

}  // namespace mlx_vision::processing
