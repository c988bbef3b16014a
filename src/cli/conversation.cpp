#include "cli/conversation.h"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>
#include <variant>

namespace mlx_vision::cli {

void Conversation::clear() {
  turns_.clear();
  pending_.clear();
}

Chat Conversation::begin_turn(std::string text) {
  turns_.push_back({std::move(text), std::exchange(pending_, {}), ""});
  Chat chat;
  chat.place_images_by_family = true;
  const auto add = [&](const char* role, const std::string& said) -> std::vector<Part>& {
    auto& parts = chat.messages.emplace_back(Message{role, {}}).parts;
    parts.emplace_back(std::in_place_type<TextPart>, said);
    return parts;
  };
  if (!system_.empty()) add("system", system_);
  for (const auto& turn : turns_) {
    auto& parts = add("user", turn.text);
    for (const auto& attachment : turn.media) parts.push_back(attachment.part);
    if (&turn != &turns_.back()) add("assistant", turn.answer);
  }
  return chat;
}

std::string Conversation::saved() const {
  using nlohmann::ordered_json;
  ordered_json messages = ordered_json::array();
  if (!system_.empty()) messages.push_back({{"role", "system"}, {"content", system_}});
  for (const auto& turn : turns_) {
    ordered_json content = ordered_json::array();
    for (const auto& attachment : turn.media) {
      const char* type = std::holds_alternative<VideoPart>(attachment.part) ? "video_url" : "image_url";
      content.push_back({{"type", type}, {type, {{"url", attachment.source}}}});
    }
    content.push_back({{"type", "text"}, {"text", turn.text}});
    messages.push_back({{"role", "user"}, {"content", content}});
    messages.push_back({{"role", "assistant"}, {"content", turn.answer}});
  }
  return messages.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quote == 0 && (c == ' ' || c == '\t')) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    if (!in_word && c == '~' && (i + 1 == text.size() || text[i + 1] == '/')) {
      const char* home = std::getenv("HOME");
      words.back() = home ? home : "~";
      in_word = true;
      continue;
    }
    in_word = true;
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else {
      if (c == '\\' && quote != '\'' && i + 1 < text.size()) c = text[++i];
      words.back().push_back(c);
    }
  }
  return words;
}

}  // namespace mlx_vision::cli
