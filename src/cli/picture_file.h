#pragma once
#include <filesystem>
#include <string>

#include "mlx_vision/image.h"

namespace mlx_vision::cli {

/// Refuses names that end in neither .png nor .ppm. @throws RequestError naming the flag
void require_picture_name(const std::string& flag, const std::filesystem::path& path);

/// A PNG, or a PPM (P6) if the name ends so; the file appears only when it is complete. @throws RequestError
void write_picture(const std::filesystem::path& path, const Image& image);

/// The same for a text. @throws RequestError
void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace mlx_vision::cli
