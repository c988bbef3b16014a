#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

// Every picture at one size. image_processor_type chooses the steps: CLIPImageProcessor (shortest edge,
// centre crop), SiglipImageProcessor and Gemma3ImageProcessor (squashed to the size), LlavaImageProcessor (as
// CLIP; with do_pad first padded to a square with the mean's colour).
//
// Arrays: pixel_values `[1, 3, height, width]` float32.
// All throw ConfigError, and RequestError for `limits`, which a fixed size cannot honour.

/// The LLaVA line. The number of tokens follows LlavaTokens.
std::unique_ptr<ImageProcessor> make_fixed_square(const ProcessorFiles& files, const ImageLimits& limits);

/// Gemma 3. Pan and scan stays off, as Gemma3Processor turns it off whatever the file says.
std::unique_ptr<ImageProcessor> make_gemma3_square(const ProcessorFiles& files, const ImageLimits& limits);
std::unique_ptr<ImageProcessor> make_gemma3n_square(const ProcessorFiles& files, const ImageLimits& limits);

/// PaliGemma: image_seq_length tokens; without it the patches of config.json's encoder.
std::unique_ptr<ImageProcessor> make_paligemma_square(const ProcessorFiles& files, const ImageLimits& limits);

/// FastVLM as mlx-vlm prepares it: padded to a black square whatever class the file names, one token for each
/// 64 x 64 pixels. A picture whose brightest value is 1 is not brightened to 255 as there.
std::unique_ptr<ImageProcessor> make_fastvlm_square(const ProcessorFiles& files, const ImageLimits& limits);

/// Bunny and nanoLLaVA as mlx-vlm prepares them: squashed to 384 x 384 whatever the files say.
std::unique_ptr<ImageProcessor> make_bunny_square(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
