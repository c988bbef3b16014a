#include <algorithm>
#include <array>

#include "core/files.h"
#include "core/lower.h"
#include "models/model.h"
#include "processing/image_text.h"

namespace mlx_vision::models {

std::span<const Family* const> families() {
  static constexpr std::array kFamilies = {
      &kIdefics3, &kLlava,      &kLlavaNext,     &kLlavaOnevision, &kQwen2Vl, &kQwen2_5Vl,
      &kQwen3Vl,  &kQwen3VlMoe, &kQwen3_5,       &kQwen3_5Moe,     &kPixtral, &kMistral3,
      &kGemma3,   &kPaliGemma,  &kInternVl,      &kInternVlChat,   &kLfm2Vl,  &kLlavaBunny,
      &kGemma3n,  &kGemma4,     &kGemma4Unified, &kFastVlm,
  };  // one name per family
  return kFamilies;
}

const Family* lookup_family(std::string_view model_type) {
  const std::string wanted = core::lower(model_type);
  for (const Family* f : families())
    if (f->model_type == wanted ||
        std::find(f->aliases.begin(), f->aliases.end(), wanted) != f->aliases.end())
      return f;
  return nullptr;
}

std::string known_families() {
  std::string known;
  for (const Family* f : families()) {
    known.append(known.empty() ? "" : ", ").append(f->model_type);
    for (const auto alias : f->aliases) known.append(", ").append(alias);
  }
  return known;
}

const Family& find_family(std::string_view model_type) {
  if (const Family* family = lookup_family(model_type)) return *family;
  throw ConfigError(std::string("config.json.model_type: ")
                        .append(model_type)
                        .append(" is not supported; known: ")
                        .append(known_families()));
}

core::ConfigReader read_config(const std::filesystem::path& folder) {
  core::require_directory(folder);
  auto config = core::ConfigReader::from_file(folder / "config.json");
  const Family& family = find_family(config.get<std::string>("model_type"));
  if (family.image_token.empty()) return config;
  return processing::with_token_id(config, folder, {family.model_type, family.image_token});
}

}  // namespace mlx_vision::models
