#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/job.h"
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

  /// The prompt of a request, whichever way it is given. @throws RequestError, MediaError
  Prompt prompt(const Request& request) const;
  /// A job without callbacks. `vocab` is the model's.
  /// @throws CapacityError when the prompt is longer than the context, RequestError
  Job job(Prompt prompt, const Request& request, int vocab) const;
};

/// Reads configuration, tokenizer, template and image preparation; no weights. @throws ConfigError
Frontend open_frontend(const std::filesystem::path& folder, const LoadOptions& options);

std::vector<FamilyInfo> describe_families();

/// model_types of processing::image_processors() that no family serves, in its order.
std::vector<std::string> prepared_only_types();

/// Aliases included, in alphabetical order.
std::vector<std::string> known_model_types();

/// Opens and builds a model and evaluates its weights, reporting bytes. On the CPU, or when the options say
/// so, all arithmetic is float32; else it is of the type that is stored. Engine thread.
/// @throws ConfigError, WeightError
std::unique_ptr<models::Model> load_model(const std::filesystem::path& folder, const LoadOptions& options);

}  // namespace mlx_vision::engine
