#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

// Pictures of any shape as flat patches: resized to multiples of patch * merge within a pixel budget, each
// patch repeated over the temporal axis.
//
// Arrays: pixel_values `[patches, 3 * temporal * patch * patch]` float32, image_grid_thw `[1, 3]` int64.
// `limits` override the checkpoint's budget, in pixels of the picture. All throw ConfigError.

/// The Qwen-VL line from 2 to 3.5 (Qwen2VLImageProcessor): patches that will be merged stand together.
std::unique_ptr<ImageProcessor> make_qwen_patches(const ProcessorFiles& files, const ImageLimits& limits);

/// dots.ocr: as Qwen2-VL with a token of its own.
std::unique_ptr<ImageProcessor> make_dots_patches(const ProcessorFiles& files, const ImageLimits& limits);

/// GLM-4V, 4.5V and GLM-OCR (Glm4vImageProcessor, Glm46VImageProcessor): the budget counts the frames that a
/// picture stands for; small pictures are enlarged first.
std::unique_ptr<ImageProcessor> make_glm_patches(const ProcessorFiles& files, const ImageLimits& limits);

/// PaddleOCR-VL (PaddleOCRVLImageProcessor): patches by row, pixel_values `[patches, 3 * temporal, patch,
/// patch]`.
std::unique_ptr<ImageProcessor> make_paddle_patches(const ProcessorFiles& files, const ImageLimits& limits);

/// HunYuan-VL (HunYuanVLImageProcessor): patches by row, always bicubic; a token at the end of each merged
/// row, two around the picture.
std::unique_ptr<ImageProcessor> make_hunyuan_patches(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
