#pragma once
#include <mlx/array.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "mlx_vision/vision_config.h"

namespace mlx_vision {

/// prepare_image as an evaluated MLX array, `[3, height, width]` float32. The only header of this library
/// that needs MLX's own; mlx_vision.h does not include it. Any thread.
///
///     auto pixels = mlx_vision::process_image("photo.jpg", mlx_vision::VisionConfigTable().get("llava"));
///
/// @throws ImageProcessingError
MLX_VISION_API mlx::core::array process_image(const Image& image, const VisionConfig& config);
/// From a file of any supported format.
MLX_VISION_API mlx::core::array process_image(const std::filesystem::path& path, const VisionConfig& config);
/// From a file held in memory; `name` appears in errors.
MLX_VISION_API mlx::core::array process_image(std::span<const std::byte> bytes, const VisionConfig& config,
                                              const std::string& name = "image");
/// From raw pixels; alpha is dropped.
MLX_VISION_API mlx::core::array process_image(const PixelView& pixels, const VisionConfig& config);

}  // namespace mlx_vision
