#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mlx_vision/options.h"
#include "mlx_vision/video.h"
#include "mlx_vision/vision_config.h"

namespace CLI {  // NOLINT(readability-identifier-naming): of the parser library
class App;
}

namespace mlx_vision::cli {

/// The flags that several subcommands share. Names are those of `python -m mlx_vlm.generate` where it has
/// one.

struct ModelFlags {
  std::string model;          ///< empty: none was named, see default_model.h
  std::string type;           ///< a family or row, in place of a folder where no weights are needed
  std::string vision_config;  ///< JSON file with rows of the vision configuration table
  std::optional<std::int64_t> min_pixels, max_pixels;
  int prefill_step_size = LoadOptions{}.prefill_step_size;
  int threads = LoadOptions{}.threads;
  bool float32 = false;
  std::vector<int> resize_shape;  ///< width and height, or one number for both
  std::optional<std::string> memory_limit;
};

/// One of the four ways to say what to answer, and what goes with it.
struct PromptFlags {
  std::vector<std::string> prompts;  ///< each a user message; the images go to the last
  std::vector<std::string> images, videos;
  VideoSampling sampling;  ///< of every video
  std::optional<std::string> system, messages, raw_prompt, input_ids;
  bool enable_thinking = false;
  bool has_media() const { return !images.empty() || !videos.empty(); }
};

struct SamplingFlags {
  GenerateOptions options;
  std::vector<std::string> logit_bias;  ///< "ID=VALUE"
};

/// --model, --min-pixels, --max-pixels, --resize-shape
void add_model_flags(CLI::App& app, ModelFlags& flags);
/// --model or --model-type, --vision-config, --min-pixels, --max-pixels, --resize-shape
void add_processor_flags(CLI::App& app, ModelFlags& flags);
/// @throws RequestError for --model beside --model-type, --vision-config without the latter.
void check_processor_flags(const ModelFlags& flags);
/// The row that --vision-config gives for --model-type, if it does. @throws ConfigError
std::optional<VisionConfig> row_from_file(const ModelFlags& flags);
/// --prefill-step-size, --threads, --float32, --memory-limit
void add_compute_flags(CLI::App& app, ModelFlags& flags);
/// --image, --system, --enable-thinking
void add_context_flags(CLI::App& app, PromptFlags& flags);
/// --video, --fps, --video-num-frames, --video-min-frames, --video-max-frames
void add_video_flags(CLI::App& app, PromptFlags& flags);
/// --prompt, --messages
void add_prompt_flags(CLI::App& app, PromptFlags& flags);
/// --raw-prompt, --input-ids
void add_raw_prompt_flags(CLI::App& app, PromptFlags& flags);
void add_sampling_flags(CLI::App& app, SamplingFlags& flags);

/// "8GB", "512 MiB", "1.5e9": decimal and binary units, without one bytes. nullopt = not a size.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

/// What Runtime::load and its like take.
LoadOptions load_options(const ModelFlags& flags, ProgressCallback progress = {});

/// A list flag that takes `--flag A B` and `--flag A --flag B`; see spread_values.
void add_list(CLI::App& app, const std::string& flag, std::vector<std::string>& values,
              const std::string& help);

/// Makes the flags of mlx_vlm.generate that this program has not fail with their own name and what to do
/// instead, and takes those without effect here with a note.
void add_foreign_flags(CLI::App& app);

}  // namespace mlx_vision::cli
