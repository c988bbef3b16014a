#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "mlx_vision/chat.h"
#include "mlx_vision/export.h"
#include "mlx_vision/options.h"
#include "mlx_vision/tensor.h"

namespace mlx_vision {

struct Preprocessed {
  std::vector<Tensor> arrays;     ///< as the reference's processor names and shapes them
  std::vector<int> image_tokens;  ///< per image: rows it takes in the language model
};

struct Rendered {
  std::string prompt;                   ///< after the chat template, before image expansion
  std::vector<std::int32_t> input_ids;  ///< after image expansion
  std::vector<int> image_tokens;
};

/// Prepares images exactly as the checkpoint's own processor does. Reads config files only; loads no weights.
///
///     auto prepared = mlx_vision::preprocess("models/Qwen2-VL-2B-Instruct-4bit", {photo});
///     for (const auto& array : prepared.arrays) std::cout << array.name << "\n";  // pixel_values,
///     image_grid_thw
///
/// @throws ConfigError, MediaError, RequestError
MLX_VISION_API Preprocessed preprocess(const std::filesystem::path& model, const std::vector<Image>& images,
                                       const LoadOptions& options = {});

/// Renders a chat as the checkpoint's template does and tokenises it. Loads no weights.
///
///     mlx_vision::Chat chat;
///     chat.messages.push_back({"user", {mlx_vision::TextPart{"Hello"}}});
///     std::cout << mlx_vision::render("models/Qwen2-VL-2B-Instruct-4bit", chat).prompt;
///
/// @throws ConfigError, MediaError, RequestError
MLX_VISION_API Rendered render(const std::filesystem::path& model, const Chat& chat,
                               const LoadOptions& options = {}, std::optional<bool> enable_thinking = {});

}  // namespace mlx_vision
