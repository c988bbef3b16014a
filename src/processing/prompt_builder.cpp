#include "processing/prompt_builder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "mlx_vision/error.h"

namespace mlx_vision::processing {
namespace {

Placeholders placeholders(const ImageProcessor& processor) {
  return {.image = processor.placeholder(),
          .video = processor.videos() ? processor.videos()->placeholder() : std::string_view()};
}

bool has_video(const Chat& chat) {
  return std::any_of(chat.messages.begin(), chat.messages.end(), [](const Message& message) {
    return std::any_of(message.parts.begin(), message.parts.end(),
                       [](const Part& part) { return std::holds_alternative<VideoPart>(part); });
  });
}

}  // namespace

std::int64_t Prompt::length() const {
  std::int64_t out = std::int64_t(ids.size());
  std::size_t picture = 0;
  for (const std::int32_t id : ids)
    if (id < 0 && picture < sizes.size()) out += sizes[picture++].tokens - 1;
  return out;
}

PromptBuilder::PromptBuilder(Parts parts) : parts_(std::move(parts)) {}

std::string PromptBuilder::render(const Chat& chat, std::optional<bool> enable_thinking) const {
  if (chat.messages.empty()) throw RequestError("messages: expected at least one message, got none");
  const nlohmann::ordered_json messages = to_template_messages(chat, parts_.rule);
  const auto& chat_template =
      parts_.video_template && has_video(chat) ? parts_.video_template : parts_.chat_template;
  if (!chat_template) return plain_prompt(messages, placeholders(*parts_.processor), parts_.rule);
  return chat_template->render(messages, {.add_generation_prompt = true,
                                          .enable_thinking = enable_thinking.value_or(false),
                                          .now_seconds = std::nullopt});
}

Prompt PromptBuilder::build(const Chat& chat, std::optional<bool> enable_thinking) const {
  return build_raw(render(chat, enable_thinking), media_of(chat));
}

Prompt PromptBuilder::build_raw(std::string rendered, const std::vector<Media>& media) const {
  Prompt prompt = outline(std::move(rendered), sizes_of(*parts_.processor, media));
  prompt.images = prepare_images(*parts_.processor, media, prompt.pictures);
  return prompt;
}

Prompt PromptBuilder::outline(std::string rendered, std::vector<PictureSize> pictures) const {
  Prompt prompt{.text = std::move(rendered), .pictures = std::move(pictures)};
  prompt.sizes = plan_images(*parts_.processor, prompt.pictures);
  auto sizes = prompt.sizes;
  const PromptFrame frame = sizes.empty() ? PromptFrame{} : parts_.processor->frame();
  if (frame.most_images > 0 && int(sizes.size()) > frame.most_images)
    throw RequestError("images: this model takes " + std::to_string(frame.most_images) +
                       " in a prompt, got " + std::to_string(sizes.size()));
  if (!sizes.empty()) sizes.back().expansion.append(frame.after_images);
  std::string expanded = expand_placeholders(prompt.text, placeholders(*parts_.processor), sizes);
  prompt.ids =
      frame.place_id < 0 ? encode_around(prompt.text, frame.place_id) : encode(expanded.append(frame.end));
  return prompt;
}

std::vector<std::int32_t> PromptBuilder::encode_around(std::string_view rendered,
                                                       std::int32_t place_id) const {
  const std::string_view mark = parts_.processor->placeholder();
  std::vector<std::int32_t> out = encode(rendered.substr(0, rendered.find(mark)));
  for (std::size_t at = rendered.find(mark); at != std::string_view::npos;) {
    const std::size_t begin = at + mark.size();
    at = rendered.find(mark, begin);
    out.push_back(place_id);
    const auto part = rendered.substr(begin, at == std::string_view::npos ? at : at - begin);
    const auto ids = parts_.tokenizer.encode(part, false);
    out.insert(out.end(), ids.begin(), ids.end());
  }
  return out;
}

std::vector<std::int32_t> PromptBuilder::encode(std::string_view text) const {
  const std::string& bos = parts_.tokenizer.special().bos;
  const bool has_bos = !bos.empty() && text.starts_with(bos);
  return parts_.tokenizer.encode(text, !has_bos);
}

std::vector<Media> media_of(const Chat& chat) {
  std::vector<Media> media;
  for (const Message& message : chat.messages)
    for (const Part& part : message.parts) {
      if (const auto* image = std::get_if<ImagePart>(&part)) media.emplace_back(*image);
      if (const auto* video = std::get_if<VideoPart>(&part)) media.emplace_back(*video);
    }
  return media;
}

}  // namespace mlx_vision::processing
