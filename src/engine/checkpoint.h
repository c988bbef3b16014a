#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/job.h"
#include "memory/shape.h"
#include "mlx_vision/inspect.h"
#include "mlx_vision/options.h"
#include "models/model.h"
#include "processing/prompt_builder.h"

namespace mlx_vision::engine {

using processing::Prompt;

/// Everything of a checkpoint folder that needs no arrays: how requests become prompts and tokens text.
/// Immutable; safe from any thread.
struct Frontend {
  std::string model_type;        ///< as config.json writes it
  const models::Family* family;  ///< that serves it
  processing::PromptBuilder prompts;
  bool has_template = false;  ///< a chat template of its own
  SamplingDefaults sampling;
  /// End-of-sequence tokens of config.json (generation_config.json's in their place where it has any), the
  /// tokenizer and the family.
  std::set<std::int32_t> eos;
  std::int64_t context_length = 0;  ///< 0 = the configuration does not say

  /// The family's image preparation with other limits. @throws RequestError when it takes none
  std::function<std::unique_ptr<processing::ImageProcessor>(const processing::ImageLimits&)> processor_for;

  /// The prompt of a request, whichever way it is given, all but the pixels. @throws RequestError, MediaError
  Prompt outline(const Request& request) const;
  /// The largest max_pixels with which the outline's pictures become sizes that fit; nullopt = none does, or
  /// the family takes no limits.
  std::optional<std::int64_t> largest_max_pixels(
      const Prompt& outline,
      const std::function<bool(const std::vector<processing::PreparedSize>&)>& fits) const;
  /// Fills in the pixels. @throws MediaError
  void prepare(Prompt& prompt, const Request& request) const;
  /// Tokens that may be generated: `max_tokens`, or what the context has room for.
  /// @throws CapacityError when the prompt is longer than the context, RequestError
  int room(const Prompt& prompt, int max_tokens) const;
  /// A job without callbacks. `vocab` is the model's. @throws as room()
  Job job(Prompt prompt, const Request& request, int vocab) const;
};

/// Reads configuration, tokenizer, template and image preparation; no weights. @throws ConfigError
Frontend open_frontend(const std::filesystem::path& folder, const LoadOptions& options);

std::vector<FamilyInfo> describe_families();

/// Of processing::image_processors(), in its order.
std::vector<ImageRule> describe_image_rules();

/// Aliases included, in alphabetical order.
std::vector<std::string> known_model_types();

constexpr std::uint64_t kLoadBatchBytes = 256ull << 20;  ///< of weights that are read between two reports

/// A checkpoint's numbers, weights included, from headers alone. Any thread. @throws ConfigError, WeightError
memory::ModelShape open_shape(const std::filesystem::path& folder, const LoadOptions& options);

struct LoadedModel {
  std::unique_ptr<models::Model> model;
  memory::ModelShape shape;
};

/// Opens and builds a model and evaluates its weights, reporting bytes. On the CPU, or when the options say
/// so, all arithmetic is float32; else it is of the type that is stored. Engine thread.
/// @throws ConfigError, WeightError; CapacityError before any weight is read
LoadedModel load_model(const std::filesystem::path& folder, const LoadOptions& options);

}  // namespace mlx_vision::engine
