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
#include "mlx_vision/preprocess.h"
#include "mlx_vision/tensor.h"
#include "processing/resize_rules.h"

namespace mlx_vision::processing {

/// One picture, prepared: what the vision encoder and the prompt need, in plain buffers.
struct ImageInput {
  std::vector<Tensor>
      arrays;      ///< this image's own share: pixel_values and its companions, first axis = patches or tiles
  int tokens = 0;  ///< rows that it takes in the language model
  std::string expansion;  ///< text that replaces its placeholder in the rendered prompt

  /// @throws std::logic_error if absent: a mistake of ours, not of the caller.
  const Tensor& array(std::string_view name) const;
  bool has(std::string_view name) const;
};

/// What prepare() will make of a picture, known from the picture's size alone.
struct PreparedSize {
  std::vector<std::int64_t> pixels;  ///< shape of the first array, pixel_values in most families
  int tokens = 0;                    ///< rows that it takes in the language model
  std::string expansion;             ///< text that replaces its placeholder
  std::int64_t scratch_pixels = 0;   ///< of the 8-bit pictures between the given one and pixel_values
  bool of_video = false;             ///< a part of a video,
  bool continued = false;            ///< of which this is not the first
};

/// A user's limits on prepared images; absent = the checkpoint's.
struct ImageLimits {
  std::optional<std::int64_t> min_pixels, max_pixels;
};

/// What a prompt with images has besides them and what was said.
struct PromptFrame {
  std::string_view after_images = {};  ///< behind the last image
  std::string_view end = {};
  int most_images = 0;  ///< that a prompt takes; 0 = any number
  /// Below 0: stands in the ids for a whole picture, whose rows the model puts there; the text around it is
  /// tokenized in parts.
  std::int32_t place_id = 0;
};

class VideoProcessor;

/// A family's image preparation for one checkpoint. Immutable; safe from any thread.
class ImageProcessor {
 public:
  virtual ~ImageProcessor() = default;

  /// What prepare() would give for a picture of this size. Families that have no rule for it of their own
  /// prepare a black one, which takes as long and as much memory as a picture that is decoded.
  /// @throws MediaError as prepare() would, and beyond DecodeLimits
  virtual PreparedSize plan(Size image, int count) const;

  /// Resizes, tiles and normalises one image. @throws MediaError
  /// `count` is the number of images in the prompt: some families choose another rule for several.
  virtual ImageInput prepare(const Image& image, int count) const = 0;

  /// All images of a prompt as the reference's processor would return them (concatenated or padded).
  virtual std::vector<Tensor> batch(std::span<const ImageInput> images) const = 0;

  /// What the encoder is given of an image, taken back from what prepare() made of it. `original` is its
  /// size.
  virtual std::vector<View> views(const ImageInput& input, Size original) const = 0;

  /// The text that stands for one image in a rendered prompt, before expansion.
  virtual std::string_view placeholder() const = 0;

  /// Of prompts with images.
  virtual PromptFrame frame() const { return {}; }

  /// How this checkpoint's videos are prepared; null: it takes none.
  const std::shared_ptr<const VideoProcessor>& videos() const { return videos_; }
  /// Before anyone else sees this object.
  void set_videos(std::shared_ptr<const VideoProcessor> videos) { videos_ = std::move(videos); }

  /// A sentence for `inspect`: sizes, filter, mean and std, budget.
  virtual std::string describe() const = 0;

 private:
  std::shared_ptr<const VideoProcessor> videos_;
};

/// The files of a model folder that say how images are prepared; empty objects where absent, which
/// gives the reference classes' defaults.
struct ProcessorFiles {
  core::ConfigReader config;  ///< config.json
  /// processor_config.json's "image_processor" where it has one, else preprocessor_config.json: one of the
  /// two and never a mixture, as transformers chooses.
  core::ConfigReader image_processor;
  core::ConfigReader processor;  ///< processor_config.json
  /// The first of processor_config.json's "video_processor", video_preprocessor_config.json and
  /// preprocessor_config.json that there is, as transformers chooses.
  core::ConfigReader video_processor = core::ConfigReader::empty("video_preprocessor_config.json");
};

/// No files at all but the family's name: the reference classes' defaults.
ProcessorFiles default_processor_files(std::string_view model_type);

/// @throws ConfigError if config.json is missing, if both of the others are (the reference classes' defaults
/// would pass for the checkpoint's settings), or if one that is there cannot be read.
ProcessorFiles read_processor_files(const std::filesystem::path& folder);

/// Where a family's message format puts the images of a message that came as one prompt plus images.
enum class PromptRule {
  image_first,    ///< content = [images…, text]
  text_first,     ///< content = [text, images…]
  glued,          ///< as image_first; where there is no chat template, no space parts images from text
  token_newline,  ///< content is a string, "<image>" and a line break for each image before the text
  plain_answers,  ///< as image_first, but an assistant's content is a string, which such templates append to
};

/// Messages as mlx-vlm hands them to the chat template. Content is a list of parts, {"type":"image"} and
/// {"type":"text","text":t,"content":t}, in the chat's order or, with place_images_by_family, as the rule
/// says. Several texts of a message without images are one text, joined by spaces and trimmed; empty texts
/// beside images are left out. A tool's message keeps its parts, or is a plain string.
/// @throws RequestError for an image in a system's or an assistant's message: no template has a place for it.
nlohmann::ordered_json to_template_messages(const Chat& chat, PromptRule rule);

/// What stands for an image and for a video in a rendered prompt; empty: no video can.
struct Placeholders {
  std::string_view image, video = {};
};

/// The prompt of a checkpoint without a chat template, from the same messages: the text of a single user
/// message as it is, otherwise "User: …" lines that end in "Assistant:".
std::string plain_prompt(const nlohmann::ordered_json& messages, const Placeholders& marks,
                         PromptRule rule = PromptRule::image_first);

/// Replaces each placeholder by its image's or video's expansion, left to right.
/// @throws RequestError when the numbers or kinds differ: "prompt: 2 places for images (<image>), got 1
/// image".
std::string expand_placeholders(std::string_view prompt, const Placeholders& marks,
                                std::span<const PreparedSize> pictures);

}  // namespace mlx_vision::processing
