#include "cli/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <utility>

#include "mlx_vision/error.h"

namespace mlx_vision::cli {

namespace {

constexpr int kMaxThreads = 1024;  // LoadOptions takes no more

}  // namespace

void add_list(CLI::App& app, const std::string& flag, std::vector<std::string>& values,
              const std::string& help) {
  app.add_option(flag, values, help)->take_all()->allow_extra_args(false);
}

namespace {

void add_model_flag(CLI::App& app, ModelFlags& flags) {
  app.add_option("--model", flags.model,
                 "Folder of the checkpoint; default: $MLX_VISION_MODEL, or the small model that comes with "
                 "the program")
      ->type_name("DIR")
      ->check([](const std::string& text) {  // such as an unset variable
        return text.empty() ? "expected a folder, got an empty text" : std::string();
      });
}

void add_pixel_flags(CLI::App& app, ModelFlags& flags) {
  app.add_option("--min-pixels", flags.min_pixels, "Fewest pixels of a prepared image")
      ->check(CLI::PositiveNumber);
  app.add_option("--max-pixels", flags.max_pixels, "Most pixels of a prepared image")
      ->check(CLI::PositiveNumber);
  app.add_option("--resize-shape", flags.resize_shape,
                 "Fit every image into this width and height (or this square) before it is prepared")
      ->expected(1, 2)
      ->check(CLI::Range(1, 65535));
}

}  // namespace

void add_model_flags(CLI::App& app, ModelFlags& flags) {
  add_model_flag(app, flags);
  add_pixel_flags(app, flags);
}

void add_processor_flags(CLI::App& app, ModelFlags& flags) {
  add_model_flag(app, flags);
  app.add_option(
         "--model-type", flags.type,
         "Without a checkpoint: a family by its model_type, at the reference's defaults, or a row of the "
         "vision configuration table; models lists them")
      ->type_name("NAME");
  app.add_option("--vision-config", flags.vision_config,
                 "JSON file with further rows of the vision configuration table, for --model-type")
      ->type_name("FILE");
  add_pixel_flags(app, flags);
}

void check_processor_flags(const ModelFlags& flags) {
  if (!flags.model.empty() && !flags.type.empty())
    throw RequestError("--model and --model-type: expected one of them");
  if (flags.type.empty() && !flags.vision_config.empty())
    throw RequestError("--vision-config: expected beside --model-type, since a checkpoint has its own rule");
}

std::optional<VisionConfig> row_from_file(const ModelFlags& flags) {
  if (flags.vision_config.empty()) return std::nullopt;
  VisionConfigTable table;
  const auto names = table.add_from_file(flags.vision_config);
  const VisionConfig* row = table.find(flags.type);
  const bool given = row && std::find(names.begin(), names.end(), row->name) != names.end();
  return given ? std::optional(*row) : std::nullopt;
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
  app.add_option("--memory-limit", flags.memory_limit,
                 "Most memory that the process may take, such as 8GB; default: what the machine has")
      ->check([](const std::string& text) {
        return parse_bytes(text) ? std::string() : "expected a size such as 8GB or 512MiB, got " + text;
      });
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  static constexpr Unit kUnits[] = {{"", 1},
                                    {"B", 1},
                                    {"kB", 1e3},
                                    {"KB", 1e3},
                                    {"MB", 1e6},
                                    {"GB", 1e9},
                                    {"TB", 1e12},
                                    {"KiB", 1024.0},
                                    {"K", 1e3},
                                    {"M", 1e6},
                                    {"G", 1e9},
                                    {"MiB", 1048576.0},
                                    {"GiB", 1073741824.0},
                                    {"TiB", 1099511627776.0}};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit = text.substr(std::size_t(end - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto* found =
      std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& u) { return u.name == unit; });
  if (error != std::errc() || found == std::end(kUnits)) return std::nullopt;
  const double bytes = value * found->bytes;
  if (!(bytes >= 1 && bytes < 1e18)) return std::nullopt;
  return std::uint64_t(bytes);
}

LoadOptions load_options(const ModelFlags& flags, ProgressCallback progress) {
  LoadOptions options;
  options.min_pixels = flags.min_pixels;
  options.max_pixels = flags.max_pixels;
  options.prefill_step_size = flags.prefill_step_size;
  options.threads = flags.threads;
  options.float32 = flags.float32;
  if (!flags.resize_shape.empty())
    options.resize_shape = {flags.resize_shape.front(), flags.resize_shape.back()};
  if (flags.memory_limit) options.memory_limit = parse_bytes(*flags.memory_limit);
  options.progress = std::move(progress);
  return options;
}

void add_context_flags(CLI::App& app, PromptFlags& flags) {
  add_list(app, "--image", flags.images, "Image files (path, file:// or data: URI); several are allowed");
  app.add_option("--system", flags.system, "System message");
  app.add_flag("--enable-thinking", flags.enable_thinking, "Let the chat template ask for thinking");
}

void add_video_flags(CLI::App& app, PromptFlags& flags) {
  add_list(app, "--video", flags.videos,
           "Video files, or folders of pictures that are a video's frames; several are allowed");
  app.add_option(
         "--fps", flags.sampling.fps,
         "Frames of a video to show for each second; default: the checkpoint's, or 2. Frames in a folder "
         "are that many a second")
      ->check(CLI::PositiveNumber);
  app.add_option("--video-num-frames", flags.sampling.frames,
                 "Frames to show of each video, in place of --fps")
      ->check(CLI::PositiveNumber);
  app.add_option("--video-min-frames", flags.sampling.min_frames,
                 "Fewest frames to show of a video; default: 4")
      ->check(CLI::PositiveNumber);
  app.add_option("--video-max-frames", flags.sampling.max_frames,
                 "Most frames to show of a video; default: 768")
      ->check(CLI::PositiveNumber);
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
