#pragma once
#include <filesystem>
#include <string>

#include "cli/flags.h"

namespace mlx_vision::cli {

/// Places where a checkpoint may be when no --model is given, in the order they are tried.
struct ModelPlaces {
  std::string environment;          ///< value of MLX_VISION_MODEL, taken unseen unless empty
  std::filesystem::path installed;  ///< of the bundled model beside the program
  std::filesystem::path source;     ///< of the bundled model in the source tree
};

/// This program's.
ModelPlaces model_places();

struct DefaultModel {
  std::string folder;
  bool bundled = false;
};

/// @throws RequestError when there is none.
DefaultModel default_model(const ModelPlaces& places);

/// The folder of --model, or the default one: then a line on stderr says so if it is the bundled model.
/// @throws RequestError when there is none.
std::string chosen_model(const ModelFlags& flags);

/// The same, but empty where --model-type stands in for a folder.
std::string processor_model(const ModelFlags& flags);

}  // namespace mlx_vision::cli
