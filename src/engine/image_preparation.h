#pragma once
#include <filesystem>
#include <memory>
#include <vector>

#include "mlx_vision/options.h"
#include "mlx_vision/preprocess.h"
#include "processing/prepare_images.h"
#include "processing/processor.h"

namespace mlx_vision::engine {

/// The image preparation of a checkpoint, whether or not its family has a graph. Reads neither tokenizer nor
/// weights. @throws ConfigError
std::unique_ptr<processing::ImageProcessor> open_processor(const std::filesystem::path& folder,
                                                           const LoadOptions& options);
/// That of a model_type of processing::image_processors() without a checkpoint, else of a built-in row of the
/// vision configuration table.
/// @throws RequestError listing what is known, ConfigError
std::unique_ptr<processing::ImageProcessor> open_processor(const ModelType& type, const LoadOptions& options);

/// The generic one of a row. @throws RequestError, ConfigError
std::unique_ptr<processing::ImageProcessor> open_processor(const VisionConfig& row,
                                                           const LoadOptions& options);

/// All images as the reference's processor returns them. @throws MediaError naming the image
Preprocessed prepare_images(const processing::ImageProcessor& processor, const std::vector<Image>& images);

/// What the encoder sees of each image. @throws MediaError naming the image
std::vector<Seen> see_images(const processing::ImageProcessor& processor, const std::vector<Image>& images);

/// As parts without a source.
std::vector<processing::Media> unnamed(const std::vector<Image>& images);

}  // namespace mlx_vision::engine
