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
  std::optional<bool> enable_thinking;      ///< passed to the template when set; mlx-vlm passes false
  std::optional<std::int64_t> now_seconds;  ///< Unix time that strftime_now sees; absent = the clock
};

/// A checkpoint's chat template. Immutable, cheap to copy, safe from any thread.
class ChatTemplate {
 public:
  /// The first of processor_config.json, chat_template.json, chat_template.jinja,
  /// additional_chat_templates/default.jinja and tokenizer_config.json that has one; nullopt when none has.
  /// @throws ConfigError for a template that does not parse or is larger than 4 MiB.
  static std::optional<ChatTemplate> open(const std::filesystem::path& folder, const SpecialTokens& special);
  static ChatTemplate from_source(const std::string& source, const SpecialTokens& special);

  /// `messages`: at least one object; null fields do not count. Both may be nested up to 100 deep.
  /// @throws RequestError with the template's own message when it refuses the conversation, or when it fails
  /// or runs for too long.
  std::string render(const nlohmann::ordered_json& messages, const RenderOptions& options = {},
                     const nlohmann::ordered_json* tools = nullptr) const;

 private:
  struct Impl;
  explicit ChatTemplate(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace mlx_vision::text
