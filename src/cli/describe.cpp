#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/generate.h"

namespace mlx_vision::cli {

void add_describe(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<GenerateFlags>();
  auto& command =
      *app.add_subcommand("describe", "Say what is in a picture: generate with a prompt that asks for it");
  command.add_option("--image,image", flags->prompt.images, "Image files (path, file:// or data: URI)")
      ->required()
      ->take_all()
      ->type_name("IMAGE");
  add_model_flags(command, flags->model);
  add_compute_flags(command, flags->model);
  add_sampling_flags(command, flags->sampling);
  add_output_flags(command, *flags);
  flags->prompt.prompts = {"Describe this image."};
  command.callback([flags, &action] { action = [flags] { return generate(*flags); }; });
}

}  // namespace mlx_vision::cli
