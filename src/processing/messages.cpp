#include <algorithm>
#include <nlohmann/json.hpp>

#include "mlx_vision/error.h"
#include "processing/processor.h"

namespace mlx_vision::processing {
namespace {

using Json = nlohmann::ordered_json;

Json text_part(const std::string& text) { return {{"type", "text"}, {"text", text}, {"content", text}}; }

Json image_part() { return {{"type", "image"}}; }
Json video_part() { return {{"type", "video"}}; }

/// Length of the white space, as Python's str.isspace has it, that `text` begins (or ends) with; else 0.
std::size_t space_at_end(std::string_view text, bool front) {
  static constexpr std::string_view kSpaces[] = {
      " ",      "\t",     "\n",     "\r",     "\v",     "\f",     "\x1c",   "\x1d",   "\x1e",   "\x1f",
      "\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
      "\u2007", "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};
  for (const auto space : kSpaces)
    if (front ? text.starts_with(space) : text.ends_with(space)) return space.size();
  return 0;
}

std::string stripped(std::string_view text) {
  while (const std::size_t n = space_at_end(text, true)) text.remove_prefix(n);
  while (const std::size_t n = space_at_end(text, false)) text.remove_suffix(n);
  return std::string(text);
}

/// The text of a message as mlx-vlm's extract_text_from_content gives it; one part alone is a plain string
/// there and stays untouched.
std::string joined_text(const std::vector<Part>& parts) {
  std::vector<const std::string*> texts;
  for (const Part& part : parts)
    if (const auto* text = std::get_if<TextPart>(&part)) texts.push_back(&text->text);
  if (texts.size() == 1) return *texts.front();
  std::string out;
  for (const std::string* text : texts) {
    if (text->empty()) continue;
    if (!out.empty()) out.append(" ");
    out.append(*text);
  }
  return stripped(out);
}

template <class Kind>
std::size_t count_of(const Message& message) {
  return std::size_t(std::count_if(message.parts.begin(), message.parts.end(),
                                   [](const Part& part) { return std::holds_alternative<Kind>(part); }));
}

std::size_t image_count(const Message& message) { return count_of<ImagePart>(message); }

bool has_media(const Message& message) { return image_count(message) + count_of<VideoPart>(message) > 0; }

constexpr std::string_view kMark = "<image>\n";

std::string marked_text(const Message& message, const Chat& chat) {
  std::string out;
  if (chat.place_images_by_family) {
    for (std::size_t i = 0; i < image_count(message); ++i) out.append(kMark);
    return out.append(joined_text(message.parts));
  }
  for (const Part& part : message.parts) {
    const auto* text = std::get_if<TextPart>(&part);
    out.append(text ? std::string_view(text->text) : kMark);
  }
  return out;
}

// Videos always before the text.
Json placed_by_rule(const Message& message, PromptRule rule) {
  Json content = Json::array();
  for (std::size_t i = 0; i < count_of<VideoPart>(message); ++i) content.push_back(video_part());
  if (rule == PromptRule::text_first) content.push_back(text_part(joined_text(message.parts)));
  for (std::size_t i = 0; i < image_count(message); ++i) content.push_back(image_part());
  if (rule != PromptRule::text_first) content.push_back(text_part(joined_text(message.parts)));
  return content;
}

Json placed_as_given(const Message& message) {
  Json content = Json::array();
  for (const Part& part : message.parts) {
    if (std::holds_alternative<ImagePart>(part))
      content.push_back(image_part());
    else if (std::holds_alternative<VideoPart>(part))
      content.push_back(video_part());
    else if (const std::string& text = std::get<TextPart>(part).text; !text.empty())
      content.push_back(text_part(text));
  }
  return content;
}

/// Templates receive a tool's message as the client sent it: a string, or parts without the "content" twin.
Json tool_content(const Message& message) {
  if (message.parts.size() == 1)
    if (const auto* text = std::get_if<TextPart>(&message.parts.front())) return text->text;
  Json content = Json::array();
  for (const Part& part : message.parts) {
    if (const auto* text = std::get_if<TextPart>(&part))
      content.push_back({{"type", "text"}, {"text", text->text}});
    else
      content.push_back(std::holds_alternative<VideoPart>(part) ? video_part() : image_part());
  }
  return content;
}

Json content_of(const Message& message, std::size_t index, const Chat& chat, PromptRule rule) {
  if (message.role == "tool") return tool_content(message);
  if (rule == PromptRule::token_newline && (image_count(message) == 0 || message.role == "user"))
    return marked_text(message, chat);
  if (rule == PromptRule::plain_answers && message.role == "assistant" && !has_media(message))
    return joined_text(message.parts);
  if (!has_media(message)) return Json::array({text_part(joined_text(message.parts))});
  if (message.role != "user")
    throw RequestError("messages[" + std::to_string(index) + "]: images may stand in messages of the user, " +
                       "got one in a message of role \"" + message.role + "\"");
  return chat.place_images_by_family ? placed_by_rule(message, rule) : placed_as_given(message);
}

/// A message's content as one string; a space keeps text apart from an image before it.
std::string flattened(const Json& content, const Placeholders& marks, PromptRule rule) {
  if (content.is_string()) return content.get<std::string>();
  std::string out;
  bool after_image = false;
  for (const Json& part : content) {
    if (part.at("type") != "text") {
      out.append(part.at("type") == "image" ? marks.image : marks.video);
      after_image = true;
      continue;
    }
    const auto& text = part.at("text").get_ref<const std::string&>();
    if (text.empty()) continue;
    if (after_image && rule != PromptRule::glued && space_at_end(text, true) == 0) out.append(" ");
    out.append(text);
    after_image = false;
  }
  return stripped(out);
}

}  // namespace

Json to_template_messages(const Chat& chat, PromptRule rule) {
  Json messages = Json::array();
  for (std::size_t i = 0; i < chat.messages.size(); ++i) {
    const Message& message = chat.messages[i];
    messages.push_back({{"role", message.role}, {"content", content_of(message, i, chat, rule)}});
  }
  return messages;
}

std::string plain_prompt(const Json& messages, const Placeholders& marks, PromptRule rule) {
  if (messages.size() == 1 && messages[0].at("role") == "user")
    return flattened(messages[0].at("content"), marks, rule);
  std::string out;
  for (const Json& message : messages) {
    const std::string content = flattened(message.at("content"), marks, rule);
    std::string role = message.at("role").get<std::string>();
    if (role == "system" || role == "user" || role == "assistant" || role == "tool") {
      role.front() = char(role.front() - 'a' + 'A');
      out.append(role).append(content.empty() ? ":" : ": ");
    }
    out.append(content).append("\n");
  }
  return stripped(out.append("Assistant:"));
}

}  // namespace mlx_vision::processing
