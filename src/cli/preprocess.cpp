#include "mlx_vision/preprocess.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/flags.h"
#include "cli/image_source.h"
#include "cli/input_file.h"
#include "cli/report.h"
#include "core/safetensors.h"

namespace mlx_vision::cli {

namespace {

struct PreprocessFlags {
  ModelFlags model;
  std::vector<std::string> images;
  std::string output;
  bool json = false;
};

std::string table(const Preprocessed& preprocessed) {
  std::string text;
  for (const auto& array : preprocessed.arrays) {
    text.append(array.name).append("  ").append(to_string(array.type)).append("  ");
    text.append(printed(array.shape));
  }
  return text.append("image tokens: ").append(printed(preprocessed.image_tokens));
}

int preprocess_images(const PreprocessFlags& flags) {
  check_processor_flags(flags.model);
  const std::string folder = processor_model(flags.model);
  if (!flags.output.empty() && !folder.empty()) check_output("--output", flags.output, folder);
  std::vector<Image> images;
  for (const auto& source : flags.images) images.push_back(load_image(source, "--image").image);
  const LoadOptions options = load_options(flags.model);
  const auto row = row_from_file(flags.model);
  const Preprocessed preprocessed = !folder.empty() ? preprocess(folder, images, options)
                                    : row           ? preprocess(*row, images, options)
                                          : preprocess(ModelType{flags.model.type}, images, options);
  if (!flags.output.empty()) core::write_safetensors(flags.output, preprocessed.arrays);
  const std::string text = flags.json ? printed(to_json(preprocessed)) : table(preprocessed);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace

void add_preprocess(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<PreprocessFlags>();
  auto& command =
      *app.add_subcommand("preprocess", "Prepare images and show or write the arrays a model is given");
  add_processor_flags(command, flags->model);
  add_list(command, "--image", flags->images,
           "Image files (path, file:// or data: URI); several are allowed");
  command.get_option("--image")->required();
  command.add_option("--output", flags->output, "Write the arrays to this .safetensors file")
      ->type_name("FILE");
  command.add_flag("--json", flags->json, "Print one JSON object");
  command.callback([flags, &action] { action = [flags] { return preprocess_images(*flags); }; });
}

}  // namespace mlx_vision::cli
