#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/report.h"

namespace mlx_vision::cli {

namespace {

constexpr int kUsage = 2;
constexpr int kOutOfMemory = 4;

void print_error(const std::string& type, const std::string& message, bool json) {
  std::string line = "error: ";
  line.append(message).append("\n");
  std::fputs(line.c_str(), stderr);
  if (json) std::fputs(printed(error_json(type, message)).c_str(), stdout);
}

std::unique_ptr<CLI::App> make_app(Action& action) {
  auto app = std::make_unique<CLI::App>("Vision-language models on MLX", "mlx-vision");
  app->set_version_flag("--version", "mlx-vision " MLX_VISION_VERSION);
  app->require_subcommand(1);
  // As in Python's argparse, the last of several wins.
  app->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  add_generate(*app, action);
  add_describe(*app, action);
  add_chat(*app, action);
  add_inspect(*app, action);
  add_decode(*app, action);
  add_see(*app, action);
  add_preprocess(*app, action);
  add_render(*app, action);
  add_plan(*app, action);
  add_models(*app, action);
  add_detect(*app, action);
  add_doctor(*app, action);
  app->footer(
      "Exit codes: 0 done, 2 the command line or its input, 3 the model folder, 4 memory, 5 MLX, 130 "
      "Ctrl-C.");
  return app;
}

int run_arguments(const std::vector<std::string>& arguments, bool json) {
  Action action;
  const auto app = make_app(action);
  try {
    auto spread = spread_values(arguments);
    std::reverse(spread.begin(), spread.end());  // CLI11 takes them from the back
    app->parse(std::move(spread));
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app->exit(e);  // --help, --version
    print_error("UsageError", e.what(), json);
    std::fputs("--help lists what there is\n", stderr);
    return kUsage;
  }
  const int code = action();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  print_error("InternalError", "standard output cannot be written", false);
  return 1;
}

}  // namespace

int run(int argc, const char* const* argv) noexcept {
  bool json = false;
  try {
    const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    for (const auto& argument : arguments) json = json || argument == "--json";
    return run_arguments(arguments, json);
  } catch (const std::bad_alloc&) {
    print_error("CapacityError", "out of memory", json);
    return kOutOfMemory;
  } catch (const std::exception& e) {
    print_error(error_type(e), e.what(), json);
    return exit_code(e);
  }
}

}  // namespace mlx_vision::cli
