#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

// The grid of tiles that suits the picture's shape, the picture squashed to it and cut row by row; after the
// tiles of a grid of several, the whole picture squashed to one tile.
//
// Arrays: pixel_values `[tiles, 3, height, width]` float32.
// All throw ConfigError, and RequestError for `limits`, which tiles cannot honour.

/// InternVL in transformers' form (GotOcr2ImageProcessor; tiles whatever crop_to_patches says, as
/// InternVLProcessor).
std::unique_ptr<ImageProcessor> make_internvl_grid(const ProcessorFiles& files, const ImageLimits& limits);

/// InternVL in its own form, as mlx-vlm prepares it: settings from config.json only. batch() adds a leading
/// axis of 1.
std::unique_ptr<ImageProcessor> make_internvl_chat_grid(const ProcessorFiles& files,
                                                        const ImageLimits& limits);

/// GOT-OCR 2 (GotOcr2ImageProcessor); one tile, as GotOcr2Processor.
std::unique_ptr<ImageProcessor> make_got_ocr2_grid(const ProcessorFiles& files, const ImageLimits& limits);

/// Aya Vision (GotOcr2ImageProcessor); each tile has its number before it.
std::unique_ptr<ImageProcessor> make_aya_vision_grid(const ProcessorFiles& files, const ImageLimits& limits);

/// Command A Vision (Cohere2VisionImageProcessor): the grid that enlarges the picture least. The class exists
/// for torchvision only, so that its resize and its order of operations hold.
std::unique_ptr<ImageProcessor> make_cohere2_vision_grid(const ProcessorFiles& files,
                                                         const ImageLimits& limits);

}  // namespace mlx_vision::processing
