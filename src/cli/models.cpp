#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/report.h"
#include "mlx_vision/inspect.h"
#include "mlx_vision/vision_config.h"

namespace mlx_vision::cli {

namespace {

struct ModelsFlags {
  std::string vision_config;
  bool json = false;
};

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

std::string table(const std::vector<FamilyInfo>& families, const std::vector<VisionConfig>& rows) {
  std::string text =
      "Families (a checkpoint's own files decide; the image rules are the reference's defaults), any number "
      "of images; tested: the kinds of checkpoints that the references' answers were compared for:\n";
  for (const FamilyInfo& family : families) {
    text.append("\n").append(family.model_type);
    for (const auto& alias : family.aliases) text.append(", ").append(alias);
    text.append("\n  images  ").append(family.image_rule).append("\n  prompt  ");
    text.append(family.images_first ? "images, then text" : "text, then images");
    text.append("; an image is ").append(quoted(family.placeholder));
    text.append(family.videos ? "; videos before the text" : "; no videos");
    text.append("\n  parts   ").append(family.vision).append("; ").append(family.language);
    text.append("\n  tested  ").append(family.compared);
    if (!family.repositories.empty()) text.append("\n  hub     mlx-community: ").append(family.repositories);
    text.append("\n");
  }
  text.append("\nImages only (preprocess and see):\n\n");
  for (const ImageRule& type : image_rules())
    if (!type.loads) text.append(type.model_type).append("\n  images  ").append(type.rule).append("\n");
  text.append("\nRows that stand in where neither checkpoint nor family has a rule, any number of images:\n");
  for (const VisionConfig& row : rows) {
    text.append("\n").append(row.name).append("\n  images  ").append(image_rule(row));
    text.append("\n  prompt  ").append(quoted(row.prompt_format));
    if (row.numbered_images) text.append("; several images: <image1>, <image2>, …");
    text.append("\n");
  }
  return text;
}

nlohmann::ordered_json object_of(const std::vector<FamilyInfo>& families,
                                 const std::vector<VisionConfig>& rows) {
  auto out = nlohmann::ordered_json{{"families", nlohmann::ordered_json::array()},
                                    {"prepared_only", nlohmann::ordered_json::array()},
                                    {"rows", nlohmann::ordered_json::array()},
                                    {"image_rules", nlohmann::ordered_json::object()}};
  for (const ImageRule& type : image_rules()) {
    if (!type.loads) out["prepared_only"].push_back(type.model_type);
    out["image_rules"][type.model_type] = type.rule;
  }
  for (const FamilyInfo& family : families)
    out["families"].push_back({{"model_type", family.model_type},
                               {"aliases", family.aliases},
                               {"image_rule", family.image_rule},
                               {"placeholder", family.placeholder},
                               {"images_first", family.images_first},
                               {"videos", family.videos},
                               {"vision", family.vision},
                               {"language", family.language},
                               {"compared", family.compared},
                               {"repositories", family.repositories}});
  for (const VisionConfig& row : rows) out["rows"].push_back(to_json(row));
  return out;
}

int models(const ModelsFlags& flags) {
  VisionConfigTable rows;
  if (!flags.vision_config.empty()) rows.add_from_file(flags.vision_config);
  const auto known = families();
  const std::string text = flags.json ? printed(object_of(known, rows.rows())) : table(known, rows.rows());
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace

void add_models(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<ModelsFlags>();
  auto& command = *app.add_subcommand("models", "List the families, their image rules and prompt forms");
  command.add_option("--vision-config", flags->vision_config, "JSON file with further rows of the table")
      ->type_name("FILE");
  command.add_flag("--json", flags->json, "Print one JSON object");
  command.callback([flags, &action] { action = [flags] { return models(*flags); }; });
}

}  // namespace mlx_vision::cli
