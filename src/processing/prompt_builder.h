#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mlx_vision/chat.h"
#include "processing/prepare_images.h"
#include "processing/processor.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace mlx_vision::processing {

/// What a model is given: nothing else of a request reaches it.
struct Prompt {
  std::string text;                   ///< after the chat template, before images are expanded
  std::vector<std::int32_t> ids;      ///< after expansion
  std::vector<PictureSize> pictures;  ///< in the order of their places
  std::vector<PreparedSize> sizes;    ///< what becomes of them, of a video several
  std::vector<ImageInput> images;     ///< empty until they are prepared

  /// Tokens and rows of images that the language model is given; an id below 0 counts as its picture's rows.
  std::int64_t length() const;
};

/// A request's way to a prompt, without a model: messages, template, images, expansion, tokens. Immutable,
/// cheap to copy, safe from any thread.
class PromptBuilder {
 public:
  struct Parts {
    text::Tokenizer tokenizer;
    std::optional<text::ChatTemplate> chat_template;        ///< absent: "User: …\nAssistant:", as mlx-vlm
    std::optional<text::ChatTemplate> video_template = {};  ///< in its place where there are videos
    std::shared_ptr<const ImageProcessor> processor;
    PromptRule rule = PromptRule::image_first;
  };
  explicit PromptBuilder(Parts parts);

  /// The rendered prompt, its images still placeholders. `enable_thinking` is false for the template unless
  /// given, as in mlx-vlm. @throws RequestError
  std::string render(const Chat& chat, std::optional<bool> enable_thinking = std::nullopt) const;

  /// @throws RequestError, MediaError (naming the image by its number and source)
  Prompt build(const Chat& chat, std::optional<bool> enable_thinking = std::nullopt) const;

  /// All but the pixels, from a rendered prompt and the sizes of the pictures that fill its placeholders.
  /// @throws as build
  Prompt outline(std::string rendered, std::vector<PictureSize> pictures) const;

  /// Ids of a rendered prompt in which each placeholder is `place_id`. @throws RequestError
  std::vector<std::int32_t> encode_around(std::string_view rendered, std::int32_t place_id) const;

  /// For a prompt that is rendered already; `media` fill its placeholders in order. @throws as build
  Prompt build_raw(std::string rendered, const std::vector<Media>& media) const;

  /// Adds the tokenizer's own special tokens unless the text begins with BOS: one BOS, never two.
  /// @throws RequestError if the text is not UTF-8.
  std::vector<std::int32_t> encode(std::string_view text) const;

  const ImageProcessor& processor() const { return *parts_.processor; }
  const text::Tokenizer& tokenizer() const { return parts_.tokenizer; }

 private:
  Parts parts_;
};

/// All images and videos of a chat in reading order.
std::vector<Media> media_of(const Chat& chat);

}  // namespace mlx_vision::processing
