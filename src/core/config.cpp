#include "core/config.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "core/files.h"

namespace mlx_vision::core {

namespace {

constexpr std::uint64_t kMaxConfigBytes = 64ull << 20;
constexpr std::size_t kShownValue = 80;  // characters of an offending value that an error repeats

std::string shown(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > kShownValue) text = text.substr(0, kShownValue) + "…";
  return text;
}

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T>
constexpr const char* type_name() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, std::string>) return "a string";
  if constexpr (IsVector<T>::value) return "a list";
  return std::is_floating_point_v<T> ? "a number" : "an integer";
}

// Strict where nlohmann converts silently (bool → int, 2.5 → 2, 2^40 → int).
template <class T>
bool convert(const nlohmann::json& value, T& out) {
  if constexpr (IsVector<T>::value) {
    if (!value.is_array()) return false;
    out.resize(value.size());
    for (std::size_t i = 0; i < value.size(); ++i)
      if (!convert(value[i], out[i])) return false;
    return true;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) return false;
    out = value.get<bool>();
    return true;
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!value.is_string()) return false;
    out = value.get<std::string>();
    return true;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) return false;
    out = value.get<T>();
    return true;
  } else {
    if (!value.is_number()) return false;
    const double number = value.get<double>();
    if (number != std::floor(number) || number < double(std::numeric_limits<T>::min()) ||
        number > double(std::numeric_limits<T>::max()))
      return false;
    out = value.is_number_float() ? T(number) : value.get<T>();
    return true;
  }
}

void collect_unread(const nlohmann::json& node, const std::string& path,
                    const std::set<const nlohmann::json*>& read, std::vector<std::string>& out) {
  for (const auto& [key, value] : node.items()) {
    std::string where = path;
    where.append(".").append(key);
    if (!read.contains(&value))
      out.push_back(where);
    else if (value.is_object())
      collect_unread(value, where, read, out);
  }
}

}  // namespace

struct ConfigReader::Document {
  nlohmann::json root;
  std::set<const nlohmann::json*> read;
};

ConfigReader::ConfigReader(std::shared_ptr<Document> document, const nlohmann::json* node, std::string path)
    : document_(std::move(document)), node_(node), path_(std::move(path)) {}

ConfigReader ConfigReader::from_file(const std::filesystem::path& path) {
  return from_text(read_file(path, kMaxConfigBytes), path.filename().string());
}

ConfigReader ConfigReader::from_text(std::string_view text, std::string name) {
  auto document = std::make_shared<Document>();
  try {
    document->root = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    throw ConfigError(name + ": not valid JSON: " + e.what());
  }
  if (!document->root.is_object())
    throw ConfigError(name + ": expected an object, got " + shown(document->root));
  const nlohmann::json* root = &document->root;
  return ConfigReader(std::move(document), root, std::move(name));
}

ConfigReader ConfigReader::empty(std::string name) { return from_text("{}", std::move(name)); }

const nlohmann::json* ConfigReader::lookup(std::string_view key) const {
  const auto it = node_->find(key);
  if (it == node_->end()) return nullptr;
  document_->read.insert(&*it);
  return it->is_null() ? nullptr : &*it;
}

template <class T>
std::optional<T> ConfigReader::find(std::string_view key) const {
  const nlohmann::json* value = lookup(key);
  if (!value) return std::nullopt;
  T out{};
  if (!convert(*value, out)) {
    std::string why = "wrong type, expected ";
    fail(key, why.append(type_name<T>()).append(", got ").append(shown(*value)));
  }
  return out;
}

template <class T>
T ConfigReader::get(std::string_view key) const {
  if (auto value = find<T>(key)) return *std::move(value);
  std::string why = "required field is missing, expected ";
  fail(key, why.append(type_name<T>()));
}

template <class T>
T ConfigReader::get_or(std::string_view key, T fallback) const {
  auto value = find<T>(key);
  return value ? *std::move(value) : std::move(fallback);
}

int ConfigReader::size(std::string_view key, int low, int high) const {
  get<int>(key);
  return size_or(key, low, low, high);
}

int ConfigReader::size_or(std::string_view key, int fallback, int low, int high) const {
  const int value = get_or(key, fallback);
  if (value < low || value > high)
    fail(key,
         "expected " + std::to_string(low) + ".." + std::to_string(high) + ", got " + std::to_string(value));
  return value;
}

ConfigReader ConfigReader::child(std::string_view key) const {
  const nlohmann::json* value = lookup(key);
  if (!value) fail(key, "required object is missing");
  if (!value->is_object()) fail(key, "wrong type, expected an object, got " + shown(*value));
  std::string path = path_;
  return ConfigReader(document_, value, path.append(".").append(key));
}

ConfigReader ConfigReader::child_or_empty(std::string_view key) const {
  if (lookup(key)) return child(key);
  std::string path = path_;
  return empty(path.append(".").append(key));
}

bool ConfigReader::has(std::string_view key) const { return lookup(key) != nullptr; }

bool ConfigReader::is_object(std::string_view key) const {
  const nlohmann::json* value = lookup(key);
  return value && value->is_object();
}

bool ConfigReader::is_array(std::string_view key) const {
  const nlohmann::json* value = lookup(key);
  return value && value->is_array();
}

std::vector<std::string> ConfigReader::keys() const {
  std::vector<std::string> out;
  for (const auto& [key, value] : node_->items()) out.push_back(key);
  return out;
}

const nlohmann::json& ConfigReader::raw() const { return *node_; }

void ConfigReader::fail(std::string_view key, std::string_view why) const {
  std::string text = path_;
  throw ConfigError(text.append(".").append(key).append(": ").append(why));
}

void ConfigReader::ignore(std::initializer_list<std::string_view> keys) const {
  for (const auto key : keys) lookup(key);
}

std::vector<std::string> ConfigReader::unread() const {
  std::vector<std::string> out;
  collect_unread(*node_, path_, document_->read, out);
  return out;
}

#define MLX_VISION_INSTANTIATE(T)                                          \
  template std::optional<T> ConfigReader::find<T>(std::string_view) const; \
  template T ConfigReader::get<T>(std::string_view) const;                 \
  template T ConfigReader::get_or<T>(std::string_view, T) const;
MLX_VISION_INSTANTIATE(bool)
MLX_VISION_INSTANTIATE(int)
MLX_VISION_INSTANTIATE(std::int64_t)
MLX_VISION_INSTANTIATE(float)
MLX_VISION_INSTANTIATE(double)
MLX_VISION_INSTANTIATE(std::string)
MLX_VISION_INSTANTIATE(std::vector<int>)
MLX_VISION_INSTANTIATE(std::vector<float>)
MLX_VISION_INSTANTIATE(std::vector<double>)
MLX_VISION_INSTANTIATE(std::vector<std::string>)
#undef MLX_VISION_INSTANTIATE

}  // namespace mlx_vision::core
