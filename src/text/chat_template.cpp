#include "text/chat_template.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/files.h"
#include "text/bridge.h"

namespace mlx_vision::text {

namespace {

constexpr std::uint64_t kMaxTemplateBytes = 4ull << 20;

std::optional<std::string> find_source(const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / "chat_template.jinja"))
    return core::read_file(folder / "chat_template.jinja", kMaxTemplateBytes);
  for (const char* name : {"chat_template.json", "processor_config.json", "tokenizer_config.json"}) {
    if (!std::filesystem::exists(folder / name)) continue;
    if (auto source = core::ConfigReader::from_file(folder / name).find<std::string>("chat_template"))
      return source;
  }
  return std::nullopt;
}

std::int64_t clock_seconds() {
  using namespace std::chrono;
  return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

struct ChatTemplate::Impl {
  BridgeHandle<MvTemplate> handle;
  nlohmann::ordered_json globals;
};

ChatTemplate::ChatTemplate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

std::optional<ChatTemplate> ChatTemplate::open(const std::filesystem::path& folder,
                                               const SpecialTokens& special) {
  core::require_directory(folder);
  auto source = find_source(folder);
  if (!source) return std::nullopt;
  return from_source(*std::move(source), special);
}

ChatTemplate ChatTemplate::from_source(std::string source, const SpecialTokens& special) {
  BridgeText error;
  auto impl = std::make_shared<Impl>();
  impl->handle.reset(mv_template_new(bytes(source), source.size(), &error));
  if (!impl->handle) throw ConfigError("chat template: " + error.str());
  const std::pair<const char*, const std::string*> standard[] = {{"bos_token", &special.bos},
                                                                 {"eos_token", &special.eos},
                                                                 {"unk_token", &special.unk},
                                                                 {"pad_token", &special.pad}};
  for (const auto& [name, token] : standard)
    if (!token->empty()) impl->globals[name] = *token;
  for (const auto& [name, token] : special.named) impl->globals[name] = token;
  return ChatTemplate(std::move(impl));
}

std::string ChatTemplate::render(const nlohmann::ordered_json& messages, const RenderOptions& options,
                                 const nlohmann::ordered_json* tools) const {
  nlohmann::ordered_json context = impl_->globals;
  context["messages"] = messages;
  context["tools"] = tools ? *tools : nlohmann::ordered_json();
  context["documents"] = nullptr;
  context["add_generation_prompt"] = options.add_generation_prompt;
  if (options.enable_thinking) context["enable_thinking"] = *options.enable_thinking;
  std::string json;
  try {
    json = context.dump();
  } catch (const nlohmann::json::exception&) {
    throw RequestError("messages: expected UTF-8 text, got invalid bytes");
  }
  BridgeText text, error;
  const std::int64_t now = options.now_seconds.value_or(clock_seconds());
  if (!mv_template_render(impl_->handle.get(), bytes(json), json.size(), now, &text, &error))
    throw RequestError("chat template: " + error.str());
  return text.str();
}

}  // namespace mlx_vision::text
