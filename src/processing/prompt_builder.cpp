#include "processing/prompt_builder.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "mlx_vision/error.h"

namespace mlx_vision::processing {

PromptBuilder::PromptBuilder(Parts parts) : parts_(std::move(parts)) {}

std::string PromptBuilder::render(const Chat& chat, std::optional<bool> enable_thinking) const {
  if (chat.messages.empty()) throw RequestError("messages: expected at least one message, got none");
  const nlohmann::ordered_json messages = to_template_messages(chat, parts_.rule);
  if (!parts_.chat_template) return plain_prompt(messages, parts_.processor->placeholder(), parts_.rule);
  return parts_.chat_template->render(messages, {.add_generation_prompt = true,
                                                 .enable_thinking = enable_thinking.value_or(false),
                                                 .now_seconds = std::nullopt});
}

Prompt PromptBuilder::build(const Chat& chat, std::optional<bool> enable_thinking) const {
  return build_raw(render(chat, enable_thinking), images_of(chat));
}

Prompt PromptBuilder::build_raw(std::string rendered, const std::vector<ImagePart>& images) const {
  Prompt prompt = outline(std::move(rendered), sizes_of(images));
  prompt.images = prepare_images(*parts_.processor, images);
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
  std::string expanded = expand_placeholders(prompt.text, parts_.processor->placeholder(), sizes);
  prompt.ids = encode(expanded.append(frame.end));
  return prompt;
}

std::vector<std::int32_t> PromptBuilder::encode(std::string_view text) const {
  const std::string& bos = parts_.tokenizer.special().bos;
  const bool has_bos = !bos.empty() && text.starts_with(bos);
  return parts_.tokenizer.encode(text, !has_bos);
}

std::vector<ImagePart> images_of(const Chat& chat) {
  std::vector<ImagePart> images;
  for (const Message& message : chat.messages)
    for (const Part& part : message.parts)
      if (const auto* image = std::get_if<ImagePart>(&part)) images.push_back(*image);
  return images;
}

}  // namespace mlx_vision::processing
