#pragma once
#include <string>

#include "cli/flags.h"

namespace mlx_vision::cli {

struct GenerateFlags {
  ModelFlags model;
  PromptFlags prompt;
  SamplingFlags sampling;
  std::string logits;
  bool json = false, verbose = false, quiet = false;
};

/// --json, --verbose, --no-verbose
void add_output_flags(CLI::App& app, GenerateFlags& flags);

/// Answers one prompt on stdout; returns the exit code.
int generate(const GenerateFlags& flags);

}  // namespace mlx_vision::cli
