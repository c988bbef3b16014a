#pragma once
#include <filesystem>

#include "mlx_vision/inspect.h"

namespace mlx_vision::engine {

/// Opens a folder as loading would, but reads no tensor's data. Any thread.
/// @throws ConfigError, WeightError for whatever would make loading fail.
ModelInfo describe_model(const std::filesystem::path& folder);

}  // namespace mlx_vision::engine
