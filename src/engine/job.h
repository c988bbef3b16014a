#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sampler.h"
#include "memory/plan.h"
#include "mlx_vision/events.h"
#include "mlx_vision/options.h"
#include "mlx_vision/runtime.h"
#include "processing/processor.h"

namespace mlx_vision::engine {

/// Turns the tokens of one answer into text as they come; both may hold back and return "".
struct Detokenizer {
  std::function<std::string(std::int32_t id)> push;
  std::function<std::string()> flush;
};

/// One request, ready for the model: plain data, made in the caller's thread.
struct Job {
  std::vector<std::int32_t> ids;               ///< expanded; at least one
  std::vector<processing::ImageInput> images;  ///< in the order of their places
  Sampling sampling;
  int max_tokens = 0;          ///< 0: only the prompt is run
  std::set<std::int32_t> eos;  ///< empty: generation goes on to max_tokens
  std::vector<std::string> stop;
  /// What was reckoned for it; absent = nothing was, and it is admitted as if it took no memory.
  std::optional<memory::MemoryPlan> plan;
  bool capture = false;  ///< copy the first logits and the image features
  Detokenizer detokenizer;
  Cancellation cancellation;
  std::function<void(std::string_view)> on_text;  ///< engine thread; may be empty
  ProgressCallback progress;                      ///< engine thread; may be empty
};

/// What the engine knows of a finished answer.
struct Outcome {
  std::vector<std::int32_t> output_ids;  ///< without the end-of-sequence token that ended it
  std::string text;
  FinishReason finish_reason = FinishReason::stop;
  double encode_s = 0, prefill_s = 0;  ///< spent on this request alone
  double decode_s = 0;                 ///< from the first token to the end, other requests' turns included
  double prompt_tps = 0, generation_tps = 0;
  std::uint64_t peak_bytes = 0;     ///< of the process since it last began to work after being idle
  std::uint64_t planned_bytes = 0;  ///< the most that was promised to requests and weights in that time
  std::vector<float> first_logits;
  std::vector<float> image_features;
  std::int64_t feature_width = 0;
};

}  // namespace mlx_vision::engine
