#pragma once
#include <functional>

namespace CLI {  // NOLINT(readability-identifier-naming): of the parser library
class App;
}

namespace mlx_vision::cli {

/// What is left to do once the command line is understood; returns the exit code.
using Action = std::function<int()>;

/// Each adds its subcommand with its flags; parsing the command line sets `action`, which must outlive the
/// parser.
void add_generate(CLI::App& app, Action& action);
void add_describe(CLI::App& app, Action& action);
void add_chat(CLI::App& app, Action& action);
void add_inspect(CLI::App& app, Action& action);
void add_decode(CLI::App& app, Action& action);
void add_see(CLI::App& app, Action& action);
void add_preprocess(CLI::App& app, Action& action);
void add_render(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_models(CLI::App& app, Action& action);
void add_detect(CLI::App& app, Action& action);

}  // namespace mlx_vision::cli
