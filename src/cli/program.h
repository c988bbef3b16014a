#pragma once

namespace mlx_vision::cli {

/// The whole program: understands the command line, runs the subcommand, turns every error into a text on
/// stderr, with --json also into an object on stdout, and an exit code. Throws nothing.
int run(int argc, const char* const* argv) noexcept;

}  // namespace mlx_vision::cli
