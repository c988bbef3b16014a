#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "mlx_vision/chat.h"
#include "mlx_vision/image.h"
#include "mlx_vision/tensor.h"

namespace mlx_vision::processing {

/// One picture, prepared: what the vision encoder and the prompt need, in plain buffers.
struct ImageInput {
  std::vector<Tensor>
      arrays;      ///< this image's own share: pixel_values and its companions, first axis = patches or tiles
  int tokens = 0;  ///< rows that it takes in the language model
  std::string expansion;  ///< text that replaces its placeholder in the rendered prompt

  /// @throws std::logic_error if absent: a mistake of ours, not of the caller.
  const Tensor& array(std::string_view name) const;
};

/// A user's limits on prepared images; absent = the checkpoint's.
struct ImageLimits {
  std::optional<std::int64_t> min_pixels, max_pixels;
};

/// A family's image preparation for one checkpoint. Immutable; safe from any thread.
class ImageProcessor {
 public:
  virtual ~ImageProcessor() = default;

  /// Resizes, tiles and normalises one image. @throws MediaError
  /// `count` is the number of images in the prompt: some families choose another rule for several.
  virtual ImageInput prepare(const Image& image, int count) const = 0;

  /// All images of a prompt as the reference's processor would return them (concatenated or padded).
  virtual std::vector<Tensor> batch(std::span<const ImageInput> images) const = 0;

  /// The text that stands for one image in a rendered prompt, before expansion.
  virtual std::string_view placeholder() const = 0;

  /// A sentence for `inspect`: sizes, filter, mean and std, budget.
  virtual std::string describe() const = 0;
};

/// The files of a model folder that say how images are prepared: preprocessor_config.json overlaid by
/// processor_config.json's "image_processor", and processor_config.json itself; empty objects where absent.
struct ProcessorFiles {
  core::ConfigReader config;  ///< config.json
  core::ConfigReader image_processor;
  core::ConfigReader processor;
};

/// @throws ConfigError for a file that is there and cannot be read.
ProcessorFiles read_processor_files(const std::filesystem::path& folder);

/// Where a family's message format puts the images of a message that came as one prompt plus images, and what
/// shape the content takes for the template.
enum class PromptRule {
  image_first,  ///< content = [images…, text]
  text_first,   ///< content = [text, images…]
};

/// Messages as the chat template takes them: content parts {"type":"image"} and {"type":"text"} (or a plain
/// string where the reference gives one).
nlohmann::ordered_json to_template_messages(const Chat& chat, PromptRule rule);

/// Replaces each placeholder by its image's expansion, left to right.
/// @throws RequestError when the numbers differ: "prompt: 2 places for images (<image>), got 1 image".
std::string expand_placeholders(std::string_view prompt, std::string_view placeholder,
                                std::span<const ImageInput> images);

}  // namespace mlx_vision::processing
