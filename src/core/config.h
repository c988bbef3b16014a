#pragma once
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mlx_vision/error.h"

namespace mlx_vision::core {

/// A JSON object of a model folder that knows its own path, so that every complaint names file and field:
/// `config.json.text_config.hidden_size: wrong type, expected an integer, got "64"`. Cheap to copy; copies
/// and children share the document and the record of which fields were read. Not for concurrent use.
class ConfigReader {
 public:
  /// Reads and parses a file. @throws ConfigError: unreadable, larger than 64 MiB, malformed, not an object.
  static ConfigReader from_file(const std::filesystem::path& path);
  /// Parses text; `name` stands for the file in errors.
  static ConfigReader from_text(std::string_view text, std::string name);
  /// `{}`, for an optional file that is absent.
  static ConfigReader empty(std::string name);

  /// Types: bool, int, std::int64_t, float, double, std::string, and std::vector of int, float, double,
  /// std::string.
  /// An integer is accepted for a float, never the reverse, except where the number is whole (`2.0`).
  /// Absent and null are the same thing in Hugging Face configurations.
  template <class T>
  T get(std::string_view key) const;  ///< @throws ConfigError if absent
  template <class T>
  T get_or(std::string_view key, T fallback) const;
  template <class T>
  std::optional<T> find(std::string_view key) const;

  /// As get_or, and @throws ConfigError below `low` or above `high`: sizes from a file are hostile until
  /// checked.
  int size(std::string_view key, int low, int high) const;
  int size_or(std::string_view key, int fallback, int low, int high) const;

  ConfigReader child(std::string_view key) const;           ///< @throws ConfigError if absent or no object
  ConfigReader child_or_empty(std::string_view key) const;  ///< absent or null: an empty object
  bool has(std::string_view key) const;                     ///< present and not null
  bool is_object(std::string_view key) const;
  bool is_array(std::string_view key) const;
  std::vector<std::string> keys() const;
  const nlohmann::json& raw() const;  ///< marks nothing as read
  const std::string& path() const { return path_; }

  [[noreturn]] void fail(std::string_view key, std::string_view why) const;

  /// Marks fields as known to be without effect on the result.
  void ignore(std::initializer_list<std::string_view> keys) const;
  /// Paths of all fields of the document that no get, find, has, child or ignore has touched.
  std::vector<std::string> unread() const;

 private:
  struct Document;
  ConfigReader(std::shared_ptr<Document> document, const nlohmann::json* node, std::string path);
  const nlohmann::json* lookup(std::string_view key) const;

  std::shared_ptr<Document> document_;
  const nlohmann::json* node_;
  std::string path_;
};

}  // namespace mlx_vision::core
