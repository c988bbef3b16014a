#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/flags.h"
#include "cli/report.h"
#include "cli/request.h"
#include "mlx_vision/preprocess.h"

namespace mlx_vision::cli {

namespace {

struct RenderFlags {
  ModelFlags model;
  PromptFlags prompt;
  bool json = false;
};

int render_prompt(const RenderFlags& flags) {
  const Rendered rendered = render(chosen_model(flags.model), make_chat(flags.prompt),
                                   load_options(flags.model), flags.prompt.enable_thinking);
  std::string text;
  if (flags.json) {
    text = printed(to_json(rendered));
  } else {
    text = rendered.prompt;
    text.append("\n\n").append(std::to_string(rendered.input_ids.size())).append(" ids: ");
    text.append(printed(rendered.input_ids));
    text.append("image tokens: ").append(printed(rendered.image_tokens));
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace

void add_render(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<RenderFlags>();
  auto& command = *app.add_subcommand("render", "Show the prompt text and the ids that a model is given");
  add_model_flags(command, flags->model);
  add_context_flags(command, flags->prompt);
  add_video_flags(command, flags->prompt);
  add_prompt_flags(command, flags->prompt);
  command.add_flag("--json", flags->json, "Print one JSON object");
  command.callback([flags, &action] { action = [flags] { return render_prompt(*flags); }; });
}

}  // namespace mlx_vision::cli
