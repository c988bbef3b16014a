#pragma once
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "mlx_vision/export.h"
#include "mlx_vision/image.h"
#include "mlx_vision/tensor.h"

namespace mlx_vision {

/// How pictures and prompts are made for a model type whose checkpoint does not say: one row of
/// VisionConfigTable.
struct VisionConfig {
  std::string name = "default";  ///< lower case: "llava", "qwen-vl", …
  int width = 224, height = 224;
  std::string prompt_format = "<image>{prompt}";  ///< for one picture; holds {prompt} once
  /// Several pictures get `<image1>`, `<image2>`, … in place of the repeated format.
  bool numbered_images = false;
  std::array<double, 3> mean = {0.485, 0.456, 0.406};  ///< red, green, blue; of values in 0..1
  std::array<double, 3> std = {0.229, 0.224, 0.225};
};

/// "336x336, ratio kept, black borders, lanczos, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"
MLX_VISION_API std::string image_rule(const VisionConfig& row);

/// The known rows. Starts with `llava`, `qwen-vl`, `kimi-vl` and `default`; a program adds its own. A value:
/// copies are independent. Safe for concurrent reading.
class MLX_VISION_API VisionConfigTable {
 public:
  VisionConfigTable();

  /// Adds a row, or replaces that of the same name, which is lower-cased.
  /// @throws ConfigError naming the field: an empty name, a side outside 1..16384, a format that does not
  /// hold {prompt} exactly once, a mean that is not finite, a std that is not a finite positive number.
  void add(VisionConfig row);

  /// Adds the rows of a JSON file, or none of them, and returns their names:
  /// `{"my-model": {"width": 448, "height": 448, "prompt": "<img>{prompt}", "numbered_images": false,
  /// "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}`. Fields that are left out are those of `default`.
  /// @throws ConfigError naming file and field; unknown fields are errors.
  std::vector<std::string> add_from_file(const std::filesystem::path& path);

  /// Any case; nullptr if there is no such row. Valid until the table changes.
  const VisionConfig* find(std::string_view name) const;
  /// The row of that name, else `default` under that name.
  VisionConfig get(std::string_view name) const;
  const std::vector<VisionConfig>& rows() const { return rows_; }

 private:
  std::vector<VisionConfig> rows_;
};

/// What a folder, path or name was taken for.
struct DetectedModel {
  enum class Source { config, name, fallback };

  std::string name;    ///< a family's model_type or a row's name; "default" when nothing fits
  std::string family;  ///< the family that can load it; empty for a row of the table
  Source source = Source::fallback;
  VisionConfig config;                ///< the row for it
  std::vector<std::string> warnings;  ///< what went wrong on the way, in sentences
};

/// "config.json", "name" or "fallback".
MLX_VISION_API const char* to_string(DetectedModel::Source source);

/// Tells what a model is: by the `model_type` of its config.json (a family, an alias, a row of the table),
/// else by its name, the last part of the path first, then the whole of it. Names of families and rows are
/// looked for in any spelling (`Qwen2.5-VL`, `qwen2_5_vl`), and the longest that occurs wins. Never throws
/// for what it finds: a config.json that cannot be read is a warning, and so is a name that nothing fits.
///
///     auto model = mlx_vision::detect_model("mlx-community/Qwen2.5-VL-3B-Instruct-4bit");
///     // model.family == "qwen2_5_vl", model.source == Source::name
MLX_VISION_API DetectedModel detect_model(const std::string& path_or_name,
                                          const VisionConfigTable& table = {});

/// The prompt for `images` pictures: unchanged without any, the row's format for one. For several, the format
/// is applied once for each; rows with numbered images get `<image1>`, `<image2>`, … instead, each put in
/// front of what is there, so that the highest number comes first.
/// @throws RequestError for a count outside 0..10000, ConfigError for a format without {prompt}.
MLX_VISION_API std::string format_prompt(const std::string& prompt, int images, const VisionConfig& config);

/// The generic image preparation, `[3, height, width]` float32 named "pixel_values": resized by LANCZOS to
/// fit the row's size with the ratio kept (sides truncated, at least 1), centred on black, / 255, normalised
/// per channel. Any thread. @throws ImageProcessingError
MLX_VISION_API Tensor prepare_image(const Image& image, const VisionConfig& config);

}  // namespace mlx_vision
