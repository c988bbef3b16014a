#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "mlx_vision/chat.h"
#include "mlx_vision/export.h"
#include "mlx_vision/options.h"
#include "mlx_vision/tensor.h"
#include "mlx_vision/vision_config.h"

namespace mlx_vision {

struct Preprocessed {
  std::vector<Tensor> arrays;     ///< as the reference's processor names and shapes them
  std::vector<int> image_tokens;  ///< per image: rows it takes in the language model
};

/// A family by the name that config.json calls it ("qwen2_vl"), for work without a checkpoint: its image
/// processor then does what the reference's class does without arguments. Or a row of VisionConfigTable.
struct ModelType {
  std::string name;
};

/// `columns × rows` cells of `width × height` pixels from a view's top left corner; no columns: not known.
struct Cells {
  int width = 0, height = 0, columns = 0, rows = 0;
};

/// One picture that the vision encoder is given: the whole image or a tile of it.
struct View {
  std::string label;  ///< "whole picture", "row 1, column 2", …
  Image image;        ///< what the encoder sees, taken back from the prepared floats
  Box source;         ///< what it shows, in the original's pixels; beyond the original there is padding
  int row = -1, column = -1;  ///< place among the tiles from 0; -1: not a tile
  Cells patches = {};         ///< what the encoder embeds; pixels outside are not seen
  Cells tokens = {};          ///< patches that are merged to one row of the language model
  int token_count = 0;        ///< rows of this view in the language model
};

/// What a model sees of one image.
struct Seen {
  std::vector<View> views;  ///< in the encoder's order
  int tokens = 0;           ///< rows that the image takes in the language model
  std::string rule;         ///< how images are prepared, in words
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

/// The same without a checkpoint. @throws RequestError listing what is known if the family is not, MediaError
MLX_VISION_API Preprocessed preprocess(const ModelType& family, const std::vector<Image>& images,
                                       const LoadOptions& options = {});

/// By the generic preparation of a row. @throws ConfigError for a row that means nothing, MediaError
MLX_VISION_API Preprocessed preprocess(const VisionConfig& row, const std::vector<Image>& images,
                                       const LoadOptions& options = {});

/// Prepares images and says for each what the encoder is given, as pictures. Loads no weights.
///
///     for (const auto& view : mlx_vision::see("models/Qwen2-VL-2B-Instruct-4bit", {photo})[0].views)
///       std::cout << view.label << ": " << view.image.width() << "x" << view.image.height() << "\n";
///
/// @throws as preprocess
MLX_VISION_API std::vector<Seen> see(const std::filesystem::path& model, const std::vector<Image>& images,
                                     const LoadOptions& options = {});
MLX_VISION_API std::vector<Seen> see(const ModelType& family, const std::vector<Image>& images,
                                     const LoadOptions& options = {});
MLX_VISION_API std::vector<Seen> see(const VisionConfig& row, const std::vector<Image>& images,
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
