#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/report.h"
#include "core/log.h"
#include "mlx_vision/vision_config.h"

namespace mlx_vision::cli {

namespace {

struct DetectFlags {
  std::string model, vision_config;
  std::optional<std::string> prompt;
  int images = 1;
  bool json = false;
};

std::string table(const DetectedModel& model, const std::string& prompt) {
  const VisionConfig& config = model.config;
  std::string text = "model    " + model.name + ", by " + to_string(model.source);
  text.append(model.family.empty() ? "; no family of this program" : "; family " + model.family).append("\n");
  if (!model.family.empty()) text.append("Without an image rule or chat template of its own:\n");
  text.append("image    ").append(image_rule(config)).append("\n");
  text.append("prompt   ").append(nlohmann::json(config.prompt_format).dump());
  if (config.numbered_images) text.append(", several images <image1>, <image2>, …");
  text.append("\n");
  if (!prompt.empty()) text.append("text     ").append(nlohmann::json(prompt).dump()).append("\n");
  return text;
}

nlohmann::ordered_json object_of(const DetectedModel& model) {
  return {{"name", model.name},
          {"family", model.family.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(model.family)},
          {"source", to_string(model.source)},
          {"config", to_json(model.config)},
          {"warnings", model.warnings}};
}

int detect(const DetectFlags& flags) {
  VisionConfigTable rows;
  if (!flags.vision_config.empty()) rows.add_from_file(flags.vision_config);
  const DetectedModel model = detect_model(flags.model, rows);
  std::string prompt;
  if (flags.prompt) prompt = format_prompt(*flags.prompt, flags.images, model.config);
  std::string text;
  if (flags.json) {
    auto object = object_of(model);
    if (flags.prompt) object["prompt"] = prompt;
    text = printed(object);
  } else {
    for (const auto& warning : model.warnings) core::warn(warning);
    text = table(model, prompt);
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace

void add_detect(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<DetectFlags>();
  auto& command = *app.add_subcommand(
      "detect", "Tell what a folder or name is, and the image size and prompt form that stand in for it");
  command.add_option("MODEL", flags->model, "Folder of a checkpoint, path or name")->required();
  command.add_option("--vision-config", flags->vision_config, "JSON file with further rows of the table")
      ->type_name("FILE");
  command.add_option("--prompt", flags->prompt, "Show this prompt in the row's form");
  command.add_option("--images", flags->images, "Number of images that --prompt is for")
      ->capture_default_str();
  command.add_flag("--json", flags->json, "Print one JSON object");
  command.callback([flags, &action] { action = [flags] { return detect(*flags); }; });
}

}  // namespace mlx_vision::cli
