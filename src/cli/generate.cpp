#include "cli/generate.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/flags.h"
#include "cli/input_file.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/request.h"
#include "core/safetensors.h"
#include "mlx_vision/runtime.h"

namespace mlx_vision::cli {

namespace {

void print_text(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

int generate(const GenerateFlags& flags) {
  Request request = make_request(flags.prompt, flags.sampling);
  const std::string model = chosen_model(flags.model);
  if (!flags.logits.empty()) check_output("--logits", flags.logits, model);
  request.options.capture_logits = !flags.logits.empty();

  ProgressBar bar;
  request.progress = bar.callback();
  Runtime runtime = Runtime::load(model, load_options(flags.model, bar.callback()));
  const TextCallback stream = [&](std::string_view text) {
    bar.clear();
    print_text(text);
  };
  Result result;
  {
    const InterruptScope interrupt(request.cancellation);
    result = runtime.generate(request, flags.json ? TextCallback() : stream);
  }
  bar.clear();

  if (!flags.logits.empty()) core::write_safetensors(flags.logits, logits_tensors(result));
  print_text(flags.json ? printed(to_json(result)) : "\n");
  if (!flags.quiet) std::fprintf(stderr, "%s\n", statistics_line(result).c_str());
  if (flags.verbose) std::fprintf(stderr, "%s\n", timings_line(result.timings).c_str());
  return result.finish_reason == FinishReason::cancelled ? kInterrupted : 0;
}

void add_output_flags(CLI::App& app, GenerateFlags& flags) {
  app.add_flag("--json", flags.json, "Print one JSON object instead of streaming the text");
  app.add_flag("--verbose", flags.verbose, "Seconds of every stage, too, on stderr");
  app.add_flag("--no-verbose", flags.quiet, "No statistics on stderr");
}

void add_generate(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<GenerateFlags>();
  auto& command = *app.add_subcommand("generate", "Answer one prompt, with images or without");
  add_model_flags(command, flags->model);
  add_compute_flags(command, flags->model);
  add_context_flags(command, flags->prompt);
  add_video_flags(command, flags->prompt);
  add_prompt_flags(command, flags->prompt);
  add_raw_prompt_flags(command, flags->prompt);
  add_sampling_flags(command, flags->sampling);
  command.add_option("--logits", flags->logits,
                     "Write first_logits and image_features to this .safetensors file");
  add_output_flags(command, *flags);
  add_foreign_flags(command);
  command.callback([flags, &action] { action = [flags] { return generate(*flags); }; });
}

}  // namespace mlx_vision::cli
