#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mlx_vision/options.h"

namespace CLI {  // NOLINT(readability-identifier-naming): of the parser library
class App;
}

namespace mlx_vision::cli {

/// The flags that several subcommands share. Names are those of `python -m mlx_vlm.generate` where it has
/// one.

struct ModelFlags {
  std::string model;
  std::optional<std::int64_t> min_pixels, max_pixels;
  int prefill_step_size = LoadOptions{}.prefill_step_size;
  int threads = LoadOptions{}.threads;
  bool float32 = false;
};

/// One of the four ways to say what to answer, and what goes with it.
struct PromptFlags {
  std::vector<std::string> prompts;  ///< each a user message; the images go to the last
  std::vector<std::string> images;
  std::optional<std::string> system, messages, raw_prompt, input_ids;
  bool enable_thinking = false;
};

struct SamplingFlags {
  GenerateOptions options;
  std::vector<std::string> logit_bias;  ///< "ID=VALUE"
};

/// --model, --min-pixels, --max-pixels
void add_model_flags(CLI::App& app, ModelFlags& flags);
/// --prefill-step-size, --threads, --float32
void add_compute_flags(CLI::App& app, ModelFlags& flags);
/// --image, --system, --enable-thinking
void add_context_flags(CLI::App& app, PromptFlags& flags);
/// --prompt, --messages
void add_prompt_flags(CLI::App& app, PromptFlags& flags);
/// --raw-prompt, --input-ids
void add_raw_prompt_flags(CLI::App& app, PromptFlags& flags);
void add_sampling_flags(CLI::App& app, SamplingFlags& flags);

/// What Runtime::load and its like take.
LoadOptions load_options(const ModelFlags& flags, ProgressCallback progress = {});

/// A list flag that takes `--flag A B` and `--flag A --flag B`; see spread_values.
void add_list(CLI::App& app, const std::string& flag, std::vector<std::string>& values,
              const std::string& help);

/// Makes the flags of mlx_vlm.generate that this program has not fail with their own name and what to do
/// instead, and takes those without effect here with a note.
void add_foreign_flags(CLI::App& app);

}  // namespace mlx_vision::cli
