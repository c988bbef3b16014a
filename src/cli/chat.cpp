#include "cli/commands.h"
namespace mlx_vision::cli { void add_chat(CLI::App&, Action&) {} }
