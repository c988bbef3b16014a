#include "text/tokenizer_files.h"

#include <algorithm>
#include <map>
#include <vector>

#include "core/files.h"
#include "mlx_vision/error.h"
#include "text/tokenizer_classes.h"
#include "text/tokenizer_formats.h"

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
    if (find("added_tokens_decoder"))
      read_decoder();
    else
      read_legacy_files(folder);
  }

  /// Null if absent.
  const Json* find(const std::string& key) const {
    const auto it = config_.find(key);
    return it == config_.end() ? nullptr : &*it;
  }
  const Json& config() const { return config_; }
  const std::map<std::int64_t, Json>& decoder() const { return decoder_; }

  /// Takes what a converted vocabulary declares itself, where the configuration is silent.
  void add_defaults(const ConvertedTokenizer& converted) {
    for (std::size_t i = 0; i < converted.defaults.size(); ++i) {
      const std::string key(kSpecialTokenNames[i]);
      if (!find(key) && !converted.defaults[i].empty()) config_[key] = converted.defaults[i];
    }
    const Json* extra = find("extra_special_tokens");
    if (!extra_key() && !(extra && extra->is_array())) config_["extra_special_tokens"] = converted.special;
  }

  TokenSettings finish(const TokenizerClass* rule) {
    for (const auto& [id, token] : decoder_) out_.added.push_back(token);
    read_extra();
    read_named(rule);
    add_legacy();
    return std::move(out_);
  }

 private:
  static std::string where(const std::string& key) { return "tokenizer_config.json." + key; }

  void read_decoder() {
    const Json& decoder = *find("added_tokens_decoder");
    if (!decoder.is_object()) throw ConfigError(where("added_tokens_decoder") + ": expected an object");
    for (const auto& [id, token] : decoder.items()) {
      const bool digits = std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (id.empty() || id.size() > 9 || !digits)
        throw ConfigError(where("added_tokens_decoder") + ": expected ids, got \"" + id + "\"");
      decoder_[std::stoll(id)] = added_token(token, where("added_tokens_decoder.") + id);
    }
    out_.replaces_file = true;
  }

  // Files that transformers before version 4.34 wrote; read only where added_tokens_decoder is absent.
  void read_legacy_files(const std::filesystem::path& folder) {
    const Json map = read_json_object(folder / "special_tokens_map.json");
    for (const auto& [key, value] : map.items()) {
      Json token = value;
      if (token.is_object() && key != "extra_special_tokens") {
        token["special"] = true;
      } else if (const Json* own = find(key); own && own->is_array() && key == "extra_special_tokens") {
        token = *own;
        for (const Json& item : value)
          if (std::find(token.begin(), token.end(), item) == token.end()) token.push_back(item);
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

  // transformers 5 renamed the list; an empty new one does not hide the old one.
  const char* extra_key() const {
    for (const char* key : {"extra_special_tokens", "additional_special_tokens"})
      if (const Json* list = find(key); list && !list->empty()) return key;
    return nullptr;
  }

  void read_extra() {
    const char* key = extra_key();
    if (!key || !find(key)->is_array()) return;
    for (const Json& token : *find(key)) out_.extra.push_back(added_token(token, where(key)));
  }

  void set_named(const std::string& name, const Json& token) {
    Json value = added_token(token, where(name));
    value["special"] = true;
    const auto it = std::find_if(out_.named.begin(), out_.named.end(),
                                 [&](const auto& entry) { return entry.first == name; });
    if (it != out_.named.end())
      it->second = std::move(value);
    else
      out_.named.emplace_back(name, std::move(value));
  }

  void read_named(const TokenizerClass* rule) {
    for (std::size_t i = 0; i < kSpecialTokenNames.size(); ++i) {
      const std::string name(kSpecialTokenNames[i]);
      const Json* value = find(name);
      // An explicit null takes the class's default away.
      if (value && !value->is_null()) set_named(name, *value);
      if (!value && rule && !rule->special[i].empty()) set_named(name, std::string(rule->special[i]));
    }
    bool own = false;
    for (const auto& [key, value] : config_.items()) {
      const bool standard =
          std::find(kSpecialTokenNames.begin(), kSpecialTokenNames.end(), key) != kSpecialTokenNames.end();
      const bool token = value.is_string() || (value.is_object() && value.contains("content"));
      if (standard || !token || !key.ends_with("_token")) continue;
      set_named(key, value);
      own = true;
    }
    const auto take = [&](const char* key) {
      const Json* names = find(key);
      if (!names || !names->is_object()) return false;
      for (const auto& [name, token] : names->items()) set_named(name, token);
      return !names->empty();
    };
    own |= take("extra_special_tokens");
    // What transformers 5 saves; names elsewhere in the configuration hide it.
    if (!own) take("model_specific_special_tokens");
  }

  // A token of added_tokens.json is special when one of the other lists names it.
  void add_legacy() {
    for (const std::string& token : legacy_added_) {
      const auto same = [&](const Json& entry) { return entry["content"] == token; };
      const bool special =
          std::any_of(out_.extra.begin(), out_.extra.end(), same) ||
          std::any_of(out_.named.begin(), out_.named.end(), [&](const auto& e) { return same(e.second); });
      out_.added.push_back(added_token({{"content", token}, {"special", special}}, "added_tokens.json"));
    }
  }

  Json config_;
  std::map<std::int64_t, Json> decoder_;
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
  Json special = Json::array(), named = Json::array();
  for (const auto& [name, token] : settings.named) {
    special.push_back(token);
    named.push_back(token["content"]);
  }
  for (const Json& token : settings.extra) special.push_back(token);
  out["named"] = std::move(named);
  out["special_tokens"] = std::move(special);
  return out;
}

/// tokenization_utils_tokenizers.py, update_post_processor
Json flagged_template(const Json& config, const SpecialTokens& special) {
  const auto is_set = [&](const char* key) { return config.contains(key) && config[key] == true; };
  Json out = Json::array();
  if (is_set("add_bos_token") && !special.bos.empty()) out.push_back(special.bos);
  out.push_back(nullptr);
  if (is_set("add_eos_token") && !special.eos.empty()) out.push_back(special.eos);
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
  const TokenizerIdentity identity = identity_of(reader.config(), folder, model_type, out.json);
  const TokenizerClass* rule = find_tokenizer_class(identity);
  if (!has_json) {
    FormatContext context{.has_class = rule != nullptr, .hub_class = identity.hub_class, .added = {}};
    for (const auto& [id, token] : reader.decoder()) context.added[id] = token["content"].get<std::string>();
    ConvertedTokenizer converted = convert_tokenizer(folder, context);
    reader.add_defaults(converted);
    out.source = std::move(converted.source);
    out.json = std::move(converted.json);
  }
  const TokenSettings settings = reader.finish(rule);
  out.special = special_tokens(settings);
  out.changes = changes_of(settings, rule, reader.config());
  // A tokenizer.json says itself what stands around a text; these flags only count without one.
  if (!has_json && (!rule || rule->around.size() <= 1))
    out.changes["template"] = flagged_template(reader.config(), out.special);
  out.changes.update(processor_changes(model_type));
  return out;
}

}  // namespace mlx_vision::text
