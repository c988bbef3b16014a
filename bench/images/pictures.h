#pragma once
#include <filesystem>

namespace mlx_vision {

/// Writes large.jpg (4032x3024) and small.jpg (1024x768), the same on every machine up to the JPEG library:
/// smooth colours and grain, quality 90 with halved chroma, as a camera stores a photograph.
/// @throws std::runtime_error where a file cannot be written
void write_pictures(const std::filesystem::path& folder);

}  // namespace mlx_vision
