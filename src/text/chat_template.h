#pragma once
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace mlx_vision::text {

struct RenderOptions {
  bool add_generation_prompt = true;
  std::optional<bool> enable_thinking;      ///< passed to the template when set
  std::optional<std::int64_t> now_seconds;  ///< Unix time that strftime_now sees; absent = the clock
};

/// A checkpoint's chat template. Immutable, cheap to copy, safe from any thread.
class ChatTemplate {
 public:
  /// Looks in all of transformers' places (chat_template.jinja, additional_chat_templates,
  /// chat_template.json, processor_config.json, tokenizer_config.json); nullopt when none has one.
  /// @throws ConfigError for a template that does not parse.
  static std::optional<ChatTemplate> open(const std::filesystem::path& folder, const SpecialTokens& special);
  static ChatTemplate from_source(std::string source, const SpecialTokens& special);

  /// @throws RequestError with the template's own message when it refuses the conversation.
  std::string render(const nlohmann::ordered_json& messages, const RenderOptions& options = {},
                     const nlohmann::ordered_json* tools = nullptr) const;

 private:
  struct Impl;
  explicit ChatTemplate(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace mlx_vision::text
