#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>

#include "cli/chat_loop.h"
#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/flags.h"
#include "cli/progress.h"
#include "cli/request.h"
#include "mlx_vision/runtime.h"

namespace mlx_vision::cli {

namespace {

struct ChatFlags {
  ModelFlags model;
  PromptFlags context;
  SamplingFlags sampling;
  bool verbose = false;
};

int chat(const ChatFlags& flags) {
  ChatLoopOptions options;
  options.generate = make_options(flags.sampling);
  options.generate.enable_thinking = flags.context.enable_thinking;
  options.model = chosen_model(flags.model);
  options.interactive = isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0;
  options.statistics = flags.verbose;
  Conversation conversation;
  conversation.set_system(flags.context.system.value_or(""));
  options.sampling = flags.context.sampling;
  for (const auto& source : flags.context.images) conversation.attach(load_attachment(source, "--image"));
  for (const auto& source : flags.context.videos)
    conversation.attach(load_video_attachment(source, "--video", options.sampling));

  ProgressBar load_bar;
  Runtime runtime = Runtime::load(options.model, load_options(flags.model, load_bar.callback()));
  load_bar.clear();
  const Answer answer = [&](const Request& asked, const TextCallback& on_text) {
    Request request = asked;
    ProgressBar bar;  // taken away before an error is told, too
    request.progress = bar.callback();
    return runtime.generate(request, [&](std::string_view text) {
      bar.clear();
      on_text(text);
    });
  };
  const auto lines = options.interactive ? make_line_editor("> ") : make_plain_lines();
  return ChatLoop(answer, std::move(options), std::move(conversation)).run(*lines);
}

}  // namespace

void add_chat(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<ChatFlags>();
  auto& command = *app.add_subcommand("chat", "Talk with a model; /help there lists its commands");
  add_model_flags(command, flags->model);
  add_compute_flags(command, flags->model);
  add_context_flags(command, flags->context);
  add_video_flags(command, flags->context);
  add_sampling_flags(command, flags->sampling);
  command.add_flag("--verbose", flags->verbose, "Statistics after every answer");
  add_foreign_flags(command);
  command.callback([flags, &action] { action = [flags] { return chat(*flags); }; });
}

}  // namespace mlx_vision::cli
