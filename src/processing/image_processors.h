#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "processing/processor.h"
#include "processing/video.h"

namespace mlx_vision::processing {

/// Makes a family's image processor from a checkpoint's files; empty files give the reference's defaults.
/// @throws ConfigError; RequestError for limits that the pipeline cannot honour.
using ImageProcessorFactory = std::unique_ptr<ImageProcessor> (*)(const ProcessorFiles& files,
                                                                  const ImageLimits& limits);

/// The same for its videos.
using VideoProcessorFactory = std::unique_ptr<VideoProcessor> (*)(const ProcessorFiles& files,
                                                                  const ImageLimits& limits);

/// How one family's pictures are prepared.
struct FamilyImages {
  std::string_view model_type;  ///< config.json's, lower case
  std::string_view
      reference;  ///< the class whose defaults and results count; "mlx-vlm" before its own classes
  ImageProcessorFactory make = nullptr;
  bool needs_file =
      true;  ///< false: config.json says all; checkpoints without a preprocessor_config.json exist
  VideoProcessorFactory make_videos = nullptr;  ///< null: takes none

  /// Images and videos. @throws ConfigError, RequestError
  std::unique_ptr<ImageProcessor> open(const ProcessorFiles& files, const ImageLimits& limits) const;
};

/// Every model_type whose pictures can be prepared, whether or not its graph exists.
std::span<const FamilyImages> image_processors();

/// By model_type in any case; null if it is not known.
const FamilyImages* lookup_image_processor(std::string_view model_type);

/// By config.json's model_type. @throws ConfigError naming what is known.
const FamilyImages& find_image_processor(std::string_view model_type);

/// The model_types, separated by commas.
std::string known_image_processors();

}  // namespace mlx_vision::processing
