#include <algorithm>
#include <cctype>
#include <filesystem>
#include <optional>

#include "core/config.h"
#include "mlx_vision/error.h"
#include "mlx_vision/vision_config.h"
#include "models/model.h"

namespace mlx_vision {
namespace {

using Source = DetectedModel::Source;

/// Letters and digits alone, lower case: how `Qwen2.5-VL` and `qwen2_5_vl` are the same.
std::string spelt(std::string_view text) {
  std::string out;
  for (const unsigned char c : text)
    if (std::isalnum(c)) out.push_back(char(std::tolower(c)));
  return out;
}

struct Candidate {
  std::string spelling, name, family;
};

/// Families before rows, so that of two equal spellings the family's comes first.
std::vector<Candidate> candidates(const VisionConfigTable& table) {
  std::vector<Candidate> out;
  for (const models::Family* family : models::families()) {
    const std::string name(family->model_type);
    out.push_back({spelt(name), name, name});
    for (const auto names : {family->aliases, family->spellings})
      for (const std::string_view other : names) out.push_back({spelt(other), name, name});
  }
  for (const VisionConfig& row : table.rows())
    if (row.name != "default") out.push_back({spelt(row.name), row.name, {}});
  return out;
}

std::optional<Candidate> exact(std::string_view model_type, const std::vector<Candidate>& known) {
  const std::string wanted = spelt(model_type);
  const auto found =
      std::find_if(known.begin(), known.end(), [&](const Candidate& c) { return c.spelling == wanted; });
  return found == known.end() ? std::nullopt : std::optional(*found);
}

/// The longest spelling that occurs in the text.
std::optional<Candidate> longest_inside(std::string_view text, const std::vector<Candidate>& known) {
  const std::string where = spelt(text);
  const Candidate* best = nullptr;
  for (const Candidate& c : known)
    if (!c.spelling.empty() && where.find(c.spelling) != std::string::npos &&
        (!best || c.spelling.size() > best->spelling.size()))
      best = &c;
  return best ? std::optional(*best) : std::nullopt;
}

/// The row of that name in any spelling, else the longest whose name is a part of it (`llava_next` →
/// `llava`).
VisionConfig row_for(const std::string& name, const VisionConfigTable& table) {
  const std::string where = spelt(name);
  const VisionConfig* best = nullptr;
  for (const VisionConfig& row : table.rows())
    if (where.find(spelt(row.name)) != std::string::npos && (!best || row.name.size() > best->name.size()))
      best = &row;
  return best ? *best : table.get(name);
}

DetectedModel made(const Candidate& candidate, Source source, const VisionConfigTable& table) {
  return {.name = candidate.name,
          .family = candidate.family,
          .source = source,
          .config = row_for(candidate.name, table),
          .warnings = {}};
}

/// What config.json says, if there is one; what is wrong with it goes to `warnings`.
std::optional<std::string> configured_type(const std::filesystem::path& folder,
                                           std::vector<std::string>& warnings) {
  std::error_code error;
  const auto file = folder / "config.json";
  if (!std::filesystem::exists(file, error)) return std::nullopt;
  try {
    auto type = core::ConfigReader::from_file(file).find<std::string>("model_type");
    if (!type) warnings.push_back(file.string() + ": holds no model_type");
    return type;
  } catch (const ConfigError& e) {
    warnings.emplace_back(e.what());
    return std::nullopt;
  }
}

/// "a/b/Qwen2-VL/" → "Qwen2-VL"
std::string last_part(const std::string& path) {
  const auto end = path.find_last_not_of("/\\");
  if (end == std::string::npos) return {};
  const auto begin = path.find_last_of("/\\", end) + 1;  // npos + 1 == 0
  return path.substr(begin, end + 1 - begin);
}

}  // namespace

const char* to_string(DetectedModel::Source source) {
  switch (source) {
    case Source::config:
      return "config.json";
    case Source::name:
      return "name";
    case Source::fallback:
      break;
  }
  return "fallback";
}

DetectedModel detect_model(const std::string& path_or_name, const VisionConfigTable& table) {
  const auto known = candidates(table);
  std::vector<std::string> warnings, tried;
  const auto found = [&](const Candidate& candidate, Source source) {
    DetectedModel out = made(candidate, source, table);
    out.warnings = warnings;
    return out;
  };
  if (const auto type = configured_type(path_or_name, warnings)) {
    if (const auto candidate = exact(*type, known)) return found(*candidate, Source::config);
    tried.push_back("model_type \"" + *type + "\"");
  }
  for (const std::string& text : {last_part(path_or_name), path_or_name}) {
    if (const auto candidate = longest_inside(text, known)) {
      if (!tried.empty())
        warnings.push_back(tried.front() + " is not known; taken for " + candidate->name + " by the name");
      return found(*candidate, Source::name);
    }
  }
  tried.push_back("the name \"" + path_or_name + "\"");
  std::string text = "no known model in ";
  for (std::size_t i = 0; i < tried.size(); ++i) text.append(i ? " or " : "").append(tried[i]);
  warnings.push_back(text.append("; taken for \"default\""));
  return found({.spelling = {}, .name = "default", .family = {}}, Source::fallback);
}

}  // namespace mlx_vision
