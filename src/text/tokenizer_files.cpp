#include "text/tokenizer_files.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <vector>

#include "core/files.h"
#include "mlx_vision/error.h"
#include "text/tokenizer_classes.h"

namespace mlx_vision::text {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxTokenizerBytes = 256ull << 20;  // the largest known one has 33 MB
constexpr std::uint64_t kMaxConfigBytes = 64ull << 20;

/// A token as tokenizer.json lists it, without an id, from a string or an object.
/// @throws ConfigError for anything else.
Json added_token(const Json& value, const std::string& where) {
  if (value.is_string()) {
    return {{"content", value}, {"single_word", false}, {"lstrip", false},
            {"rstrip", false},  {"normalized", false},  {"special", true}};
  }
  if (!value.is_object() || !value.contains("content") || !value["content"].is_string())
    throw ConfigError(where + ": expected a token (a string, or an object with \"content\"), got " +
                      value.dump().substr(0, 80));
  const auto flag = [&](const char* name, bool fallback) {
    const auto it = value.find(name);
    return it != value.end() && it->is_boolean() ? it->get<bool>() : fallback;
  };
  const bool special = flag("special", false);
  return {{"content", value["content"]},
          {"single_word", flag("single_word", false)},
          {"lstrip", flag("lstrip", false)},
          {"rstrip", flag("rstrip", false)},
          {"normalized", flag("normalized", !special)},
          {"special", special}};
}

/// What the small files say about tokens.
struct TokenSettings {
  std::vector<Json> added;  ///< by id
  std::vector<std::pair<std::string, Json>> named;
  std::vector<Json> extra;
  bool replaces_file = false;  ///< `added` takes the place of tokenizer.json's list
};

class SettingsReader {
 public:
  SettingsReader(Json config, const std::filesystem::path& folder) : config_(std::move(config)) {
    if (config_.contains("added_tokens_decoder"))
      read_decoder();
    else
      read_legacy_files(folder);
  }

  TokenSettings finish(const TokenizerClass* rule) {
    read_extra();
    read_named(rule);
    return std::move(out_);
  }

  const Json& config() const { return config_; }

 private:
  static constexpr const char* kConfig = "tokenizer_config.json";

  void read_decoder() {
    const Json& decoder = config_["added_tokens_decoder"];
    if (!decoder.is_object())
      throw ConfigError("tokenizer_config.json.added_tokens_decoder: expected an object");
    std::map<std::int64_t, Json> by_id;
    for (const auto& [id, token] : decoder.items()) {
      if (id.empty() || id.size() > 9 ||
          !std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; }))
        throw ConfigError("tokenizer_config.json.added_tokens_decoder: expected ids, got \"" + id + "\"");
      by_id[std::stoll(id)] = added_token(token, "tokenizer_config.json.added_tokens_decoder." + id);
    }
    for (auto& [id, token] : by_id) out_.added.push_back(std::move(token));
    out_.replaces_file = true;
  }

  // Files that transformers before version 4.34 wrote; read only where added_tokens_decoder is absent.
  void read_legacy_files(const std::filesystem::path& folder) {
    const Json map = read_json_object(folder / "special_tokens_map.json");
    for (const auto& [key, value] : map.items()) {
      Json token = value;
      if (token.is_object() && key != "extra_special_tokens") {
        token["special"] = true;
        token["__type"] = "AddedToken";
      } else if (key == "extra_special_tokens" && token.is_array() && config_[key].is_array()) {
        Json merged = config_[key];
        for (const Json& item : token)
          if (std::find(merged.begin(), merged.end(), item) == merged.end()) merged.push_back(item);
        token = std::move(merged);
      }
      config_[key] = std::move(token);
    }
    std::map<std::int64_t, std::string> by_id;
    const Json added = read_json_object(folder / "added_tokens.json");
    for (const auto& [token, id] : added.items()) {
      if (!id.is_number_integer()) throw ConfigError("added_tokens.json." + token + ": expected an id");
      by_id[id.get<std::int64_t>()] = token;
    }
    for (const auto& [id, token] : by_id) legacy_added_.push_back(token);
  }

  void read_extra() {
    // transformers 5 renamed the list; an empty new one does not hide the old one.
    const char* key = "extra_special_tokens";
    const auto is_empty = [&](const char* name) { return !config_.contains(name) || config_[name].empty(); };
    if (is_empty(key)) key = "additional_special_tokens";
    if (is_empty(key)) return;
    if (config_[key].is_array()) {
      for (const Json& token : config_[key])
        out_.extra.push_back(added_token(token, std::string("tokenizer_config.json.") + key));
    }
  }

  void set_named(const std::string& name, const Json& token) {
    const auto it = std::find_if(out_.named.begin(), out_.named.end(),
                                 [&](const auto& entry) { return entry.first == name; });
    Json value = added_token(token, std::string(kConfig) + "." + name);
    value["special"] = true;
    if (it != out_.named.end())
      it->second = std::move(value);
    else
      out_.named.emplace_back(name, std::move(value));
  }

  void read_named(const TokenizerClass* rule) {
    for (std::size_t i = 0; i < kSpecialTokenNames.size(); ++i) {
      const std::string name(kSpecialTokenNames[i]);
      const auto it = config_.find(name);
      // An explicit null takes the class's default away.
      if (it != config_.end() && !it->is_null())
        set_named(name, *it);
      else if (it == config_.end() && rule && !rule->special[i].empty())
        set_named(name, std::string(rule->special[i]));
    }
    bool own = false;
    for (const auto& [key, value] : config_.items()) {
      const bool standard =
          std::find(kSpecialTokenNames.begin(), kSpecialTokenNames.end(), key) != kSpecialTokenNames.end();
      if (standard || !key.ends_with("_token")) continue;
      const bool object = value.is_object() && value.contains("content");
      if (!value.is_string() && !object) continue;
      set_named(key, value);
      own = true;
    }
    const Json& extra = config_["extra_special_tokens"];
    if (extra.is_object()) {
      for (const auto& [key, value] : extra.items()) set_named(key, value);
    } else if (const Json& model = config_["model_specific_special_tokens"]; model.is_object() && !own) {
      for (const auto& [key, value] : model.items()) set_named(key, value);
    }
    finish_legacy();
  }

  // A token of added_tokens.json is special when one of the other lists names it.
  void finish_legacy() {
    for (const std::string& token : legacy_added_) {
      const auto same = [&](const Json& entry) { return entry["content"] == token; };
      const bool special =
          std::any_of(out_.extra.begin(), out_.extra.end(), same) ||
          std::any_of(out_.named.begin(), out_.named.end(), [&](const auto& e) { return same(e.second); });
      out_.added.push_back(added_token(Json{{"content", token}, {"special", special}}, "added_tokens.json"));
    }
  }

  Json config_;
  TokenSettings out_;
  std::vector<std::string> legacy_added_;
};

std::string text_of(const TokenSettings& settings, std::string_view name) {
  for (const auto& [key, token] : settings.named)
    if (key == name) return token["content"].get<std::string>();
  return {};
}

SpecialTokens special_tokens(const TokenSettings& settings) {
  SpecialTokens out;
  for (const auto& [name, token] : settings.named) {
    std::string text = token["content"].get<std::string>();
    if (name == "bos_token")
      out.bos = std::move(text);
    else if (name == "eos_token")
      out.eos = std::move(text);
    else if (name == "unk_token")
      out.unk = std::move(text);
    else if (name == "pad_token")
      out.pad = std::move(text);
    else
      out.named.emplace_back(name, std::move(text));
  }
  return out;
}

std::string string_or_empty(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

TokenizerIdentity identity_of(const Json& config, const std::filesystem::path& folder,
                              std::string_view model_type, std::string_view json) {
  TokenizerIdentity out;
  out.model_type = model_type;
  out.hub_class = string_or_empty(config, "tokenizer_class");
  if (out.hub_class.empty())
    out.hub_class = string_or_empty(read_json_object(folder / "config.json"), "tokenizer_class");
  if (const auto it = config.find("auto_map"); it != config.end())
    out.remote_code = it->is_array() ||
                      (it->is_object() && it->contains("AutoTokenizer") && !(*it)["AutoTokenizer"].is_null());
  out.byte_level = json.find("\"ByteLevel\"") != std::string_view::npos;
  return out;
}

/// Attribute names around "A" → the bridge's template.
Json template_of(std::string_view around, const TokenSettings& settings) {
  Json out = Json::array();
  while (!around.empty()) {
    const std::size_t end = std::min(around.find(' '), around.size());
    const std::string_view word = around.substr(0, end);
    around.remove_prefix(std::min(end + 1, around.size()));
    out.push_back(word == "A" ? Json() : Json(text_of(settings, word)));
  }
  return out;
}

Json changes_of(const TokenSettings& settings, const TokenizerClass* rule, const Json& config) {
  Json out = Json::object();
  if (rule) {
    out["rebuild"] = class_parts(*rule, config, text_of(settings, "unk_token"));
    // Without a list of their own the file's added tokens stay.
    out["rebuild"]["keep_added_tokens"] = !settings.replaces_file;
    out["again"] = rule->marks_specials;
    if (!rule->around.empty()) out["template"] = template_of(rule->around, settings);
  }
  out["added_tokens"] = settings.added;
  Json special = Json::array();
  for (const auto& [name, token] : settings.named) special.push_back(token);
  for (const Json& token : settings.extra) special.push_back(token);
  out["special_tokens"] = std::move(special);
  return out;
}

}  // namespace

Json read_json_object(const std::filesystem::path& path) {
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return Json::object();
  Json out;
  try {
    out = Json::parse(core::read_file(path, kMaxConfigBytes));
  } catch (const nlohmann::json::exception& e) {
    throw ConfigError(path.filename().string() + ": not valid JSON: " + e.what());
  }
  if (!out.is_object()) throw ConfigError(path.filename().string() + ": expected an object");
  return out;
}

TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder, std::string_view model_type) {
  core::require_directory(folder);
  SettingsReader reader(read_json_object(folder / "tokenizer_config.json"), folder);
  TokenizerFiles out;
  std::error_code none;
  const bool has_json = std::filesystem::exists(folder / "tokenizer.json", none);
  if (has_json) {
    out.source = "tokenizer.json";
    out.json = core::read_file(folder / out.source, kMaxTokenizerBytes);
  }
  const TokenizerClass* rule =
      find_tokenizer_class(identity_of(reader.config(), folder, model_type, out.json));
  if (!has_json) throw ConfigError("tokenizer.json: not found");
  const TokenSettings settings = reader.finish(rule);
  out.special = special_tokens(settings);
  out.changes = changes_of(settings, rule, reader.config());
  return out;
}

}  // namespace mlx_vision::text
