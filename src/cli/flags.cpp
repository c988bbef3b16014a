#include "cli/flags.h"

#include <CLI/CLI.hpp>
#include <utility>

namespace mlx_vision::cli {

namespace {

constexpr int kMaxThreads = 1024;  // LoadOptions takes no more

}  // namespace

void add_list(CLI::App& app, const std::string& flag, std::vector<std::string>& values,
              const std::string& help) {
  app.add_option(flag, values, help)->take_all()->allow_extra_args(false);
}

void add_model_flags(CLI::App& app, ModelFlags& flags) {
  app.add_option("--model", flags.model, "Folder of the checkpoint")->required()->type_name("DIR");
  app.add_option("--min-pixels", flags.min_pixels, "Fewest pixels of a prepared image")
      ->check(CLI::PositiveNumber);
  app.add_option("--max-pixels", flags.max_pixels, "Most pixels of a prepared image")
      ->check(CLI::PositiveNumber);
}

void add_compute_flags(CLI::App& app, ModelFlags& flags) {
  app.add_option("--prefill-step-size", flags.prefill_step_size, "Prompt tokens processed at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", flags.threads, "Threads of the CPU's kernels; 0 = one for each core")
      ->check(CLI::Range(0, kMaxThreads))
      ->capture_default_str();
  app.add_flag("--float32", flags.float32,
               "Compute in float32 whatever the weights are stored in; the CPU always does");
}

LoadOptions load_options(const ModelFlags& flags, ProgressCallback progress) {
  LoadOptions options;
  options.min_pixels = flags.min_pixels;
  options.max_pixels = flags.max_pixels;
  options.prefill_step_size = flags.prefill_step_size;
  options.threads = flags.threads;
  options.float32 = flags.float32;
  options.progress = std::move(progress);
  return options;
}

void add_context_flags(CLI::App& app, PromptFlags& flags) {
  add_list(app, "--image", flags.images, "Image files (path, file:// or data: URI); several are allowed");
  app.add_option("--system", flags.system, "System message");
  app.add_flag("--enable-thinking", flags.enable_thinking, "Let the chat template ask for thinking");
}

void add_prompt_flags(CLI::App& app, PromptFlags& flags) {
  add_list(app, "--prompt", flags.prompts, "What to ask; - reads standard input");
  app.add_option(
         "--messages", flags.messages,
         "JSON file with OpenAI-style messages whose images are paths, file:// or data: URIs; - reads "
         "standard input")
      ->type_name("FILE");
}

void add_raw_prompt_flags(CLI::App& app, PromptFlags& flags) {
  app.add_option("--raw-prompt", flags.raw_prompt,
                 "A prompt that is already rendered, with one placeholder for each image; - reads standard "
                 "input");
  app.add_option(
         "--input-ids", flags.input_ids,
         "JSON file with the list of token ids, image places already expanded; - reads standard input")
      ->type_name("FILE");
}

void add_sampling_flags(CLI::App& app, SamplingFlags& flags) {
  auto& options = flags.options;
  auto& sampling = options.sampling;
  app.add_option("--max-tokens", options.max_tokens, "Most tokens to generate")->capture_default_str();
  app.add_option("--temperature", sampling.temperature, "0 = greedy; default: the checkpoint's, or 0");
  app.add_option("--top-p", sampling.top_p, "Nucleus sampling; default: the checkpoint's, or 1 (off)");
  app.add_option("--top-k", sampling.top_k,
                 "Most probable tokens kept; default: the checkpoint's, or 0 (off)");
  app.add_option("--min-p", sampling.min_p, "Drop tokens less probable than this share of the best")
      ->capture_default_str();
  app.add_option("--repetition-penalty", sampling.repetition_penalty, "Factor against repeated tokens");
  app.add_option("--repetition-context-size", sampling.repetition_context, "Tokens that it looks back on")
      ->capture_default_str();
  app.add_option("--presence-penalty", sampling.presence_penalty, "Deducted for tokens that appeared");
  app.add_option("--presence-context-size", sampling.presence_context, "Tokens that it looks back on")
      ->capture_default_str();
  app.add_option("--frequency-penalty", sampling.frequency_penalty, "Deducted for each appearance");
  app.add_option("--frequency-context-size", sampling.frequency_context, "Tokens that it looks back on")
      ->capture_default_str();
  add_list(app, "--logit-bias", flags.logit_bias,
           "ID=VALUE, added to that token's logit; several are allowed");
  app.add_option("--seed", sampling.seed, "Makes sampling repeatable")
      ->check([](const std::string& text) {  // the parser would wrap it round
        return text.starts_with('-') ? "expected 0 or more, got " + text : std::string();
      });
  add_list(app, "--stop", options.stop, "Texts before which generation ends; \\n and \\xHH are understood");
  add_list(app, "--eos-tokens", options.eos_tokens, "Further end-of-sequence tokens, by text");
  app.add_flag("--ignore-eos", options.ignore_eos, "Generate --max-tokens whatever comes");
  app.add_flag("--skip-special-tokens", options.skip_special_tokens, "Leave special tokens out of the text");
}

}  // namespace mlx_vision::cli
