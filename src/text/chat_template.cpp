#include "text/chat_template.h"

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "mlx_vision/error.h"
#include "text/bridge.h"
#include "text/tokenizer_files.h"

namespace mlx_vision::text {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxTemplateBytes = 4ull << 20;  // the largest known one has 60 KB
constexpr int kMaxDepth = 100;                           // of messages and tools; the bridge refuses 128

/// The templates of a checkpoint. transformers uses the second one where a conversation has tools.
struct Sources {
  std::string main;
  std::string tool_use;  ///< may be empty
};

/// A `chat_template` field: a string, {name: template} or [{"name", "template"}].
Sources named_sources(const Json& value, const std::string& where) {
  if (value.is_string()) return {value.get<std::string>(), {}};
  Sources out;
  const auto take = [&](const Json& name, const Json& source) {
    if (!name.is_string() || !source.is_string())
      throw ConfigError(where + ": expected a text or named texts");
    if (name == "default") out.main = source.get<std::string>();
    if (name == "tool_use") out.tool_use = source.get<std::string>();
  };
  if (value.is_object()) {
    for (const auto& [name, source] : value.items()) take(name, source);
  } else {
    for (const Json& entry : value) {
      const bool complete = entry.is_object() && entry.contains("name") && entry.contains("template");
      take(complete ? entry["name"] : Json(), complete ? entry["template"] : Json());
    }
  }
  if (out.main.empty()) throw ConfigError(where + ": expected a template named \"default\"");
  return out;
}

std::optional<Sources> field_of(const std::filesystem::path& path) {
  const Json file = read_json_object(path);
  const auto it = file.find("chat_template");
  if (it == file.end() || it->is_null()) return std::nullopt;
  return named_sources(*it, path.filename().string() + ".chat_template");
}

// The order of mlx-vlm and of transformers' processors: processing_utils.py, get_processor_dict;
// models/base.py, load_chat_template; and for tokenizers tokenization_utils_base.py, _from_pretrained. What a
// processor has wins over its tokenizer, and its named templates other than the default are never used.
std::optional<Sources> find_sources(const std::filesystem::path& folder) {
  std::error_code none;
  for (const char* name : {"processor_config.json", "chat_template.json"}) {
    if (auto found = field_of(folder / name)) return Sources{std::move(found->main), {}};
  }
  for (const char* name : {"chat_template.jinja", "additional_chat_templates/default.jinja"}) {
    if (std::filesystem::exists(folder / name, none))
      return Sources{core::read_file(folder / name, kMaxTemplateBytes), {}};
  }
  return field_of(folder / "tokenizer_config.json");
}

BridgeHandle<MvTemplate> parse(const std::string& source) {
  if (source.size() > kMaxTemplateBytes)
    throw ConfigError("chat template: expected at most " + std::to_string(kMaxTemplateBytes) +
                      " bytes, got " + std::to_string(source.size()));
  BridgeText error;
  BridgeHandle<MvTemplate> out(mv_template_new(bytes(source), source.size(), error.out()));
  if (!out) throw ConfigError("chat template: " + error.str());
  return out;
}

std::int64_t clock_seconds() {
  using namespace std::chrono;
  return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

bool deeper_than(const Json& value, int levels) {
  if (!value.is_structured()) return false;
  if (levels == 0) return true;
  for (const Json& item : value)
    if (deeper_than(item, levels - 1)) return true;
  return false;
}

/// Messages as transformers hands them to a template: without null fields, and with what the model thought
/// under the names that templates know it by. (chat_template_utils.py, _alias_reasoning_fields)
Json normalized(const Json& messages) {
  if (!messages.is_array() || messages.empty())
    throw RequestError("messages: expected a list of at least one message");
  Json out = Json::array();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_object())
      throw RequestError("messages[" + std::to_string(i) + "]: expected an object, got " +
                         std::string(messages[i].type_name()));
    Json message = Json::object();
    for (const auto& [key, value] : messages[i].items())
      if (!value.is_null()) message[key] = value;
    for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
      if (!message.contains(name)) continue;
      const Json thought = message[name];
      if (!message.contains("thinking")) message["thinking"] = thought;
      message["reasoning_content"] = thought;
      break;
    }
    out.push_back(std::move(message));
  }
  return out;
}

Json globals_of(const SpecialTokens& special) {
  Json out = Json::object();
  const std::pair<const char*, const std::string*> standard[] = {{"bos_token", &special.bos},
                                                                 {"eos_token", &special.eos},
                                                                 {"unk_token", &special.unk},
                                                                 {"pad_token", &special.pad}};
  for (const auto& [name, token] : standard)
    if (!token->empty()) out[name] = *token;
  for (const auto& [name, token] : special.named) out[name] = token;
  return out;
}

}  // namespace

struct ChatTemplate::Impl {
  BridgeHandle<MvTemplate> main, tool_use;
  Json globals;
  bool names_thinking_mode = false;
};

ChatTemplate::ChatTemplate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

std::optional<ChatTemplate> ChatTemplate::open(const std::filesystem::path& folder,
                                               const SpecialTokens& special) {
  core::require_directory(folder);
  const auto sources = find_sources(folder);
  if (!sources) return std::nullopt;
  auto impl = std::make_shared<Impl>();
  impl->main = parse(sources->main);
  if (!sources->tool_use.empty()) impl->tool_use = parse(sources->tool_use);
  impl->globals = globals_of(special);
  impl->names_thinking_mode = sources->main.find("thinking_mode") != std::string::npos;
  return ChatTemplate(std::move(impl));
}

ChatTemplate ChatTemplate::from_source(const std::string& source, const SpecialTokens& special) {
  auto impl = std::make_shared<Impl>();
  impl->main = parse(source);
  impl->globals = globals_of(special);
  impl->names_thinking_mode = source.find("thinking_mode") != std::string::npos;
  return ChatTemplate(std::move(impl));
}

std::string ChatTemplate::render(const Json& messages, const RenderOptions& options,
                                 const Json* tools) const {
  if (deeper_than(messages, kMaxDepth) || (tools && deeper_than(*tools, kMaxDepth)))
    throw RequestError("messages: nested more than " + std::to_string(kMaxDepth) + " deep");
  Json context = impl_->globals;
  context["messages"] = normalized(messages);
  context["tools"] = tools ? *tools : Json();
  context["documents"] = nullptr;
  context["add_generation_prompt"] = options.add_generation_prompt;
  if (options.enable_thinking) {
    context["enable_thinking"] = *options.enable_thinking;
    // mlx_vlm/prompt_utils.py, get_chat_template
    if (*options.enable_thinking && impl_->names_thinking_mode) context["thinking_mode"] = "enabled";
  }
  std::string json;
  try {
    json = context.dump();
  } catch (const Json::type_error&) {
    throw RequestError("messages: expected UTF-8 text, got invalid bytes");
  }
  const bool with_tools = tools && !tools->is_null() && impl_->tool_use;
  const MvTemplate* chosen = with_tools ? impl_->tool_use.get() : impl_->main.get();
  BridgeText text, error;
  const std::int64_t now = options.now_seconds ? *options.now_seconds : clock_seconds();
  if (!mv_template_render(chosen, bytes(json), json.size(), now, text.out(), error.out()))
    throw RequestError("chat template: " + error.str());
  return text.str();
}

}  // namespace mlx_vision::text
