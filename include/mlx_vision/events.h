#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "mlx_vision/export.h"

namespace mlx_vision {

enum class FinishReason { stop, length, cancelled };

/// "stop", "length" or "cancelled".
MLX_VISION_API const char* to_string(FinishReason reason);

struct Usage {
  int prompt_tokens = 0, completion_tokens = 0, total_tokens = 0;
};

struct Timings {
  double load_s = 0, preprocess_s = 0;
  double encode_s = 0, prefill_s = 0;  ///< spent on this request alone
  double decode_s = 0;                 ///< from the first token to the end, other requests' turns included
  /// Tokens per second as mlx-vlm reckons them: the prompt's by the time of encoding and prefill, the
  /// answer's (with the end-of-sequence token) by decode_s.
  double prompt_tps = 0, generation_tps = 0;
};

struct MemoryUse {
  /// High-water mark reckoned before the work, for the same requests as peak_bytes.
  std::uint64_t planned_peak_bytes = 0;
  std::uint64_t peak_bytes = 0;  ///< high-water mark of MLX's allocator since work began after an idle moment
  std::vector<std::string> adjustments;  ///< what was changed to make the request fit, in words
};

/// Everything about one finished answer.
struct Result {
  std::string model_type;
  std::string prompt;                    ///< after the chat template, before image expansion
  std::vector<std::int32_t> input_ids;   ///< after image expansion
  std::vector<int> image_tokens;         ///< per image
  std::vector<std::int32_t> output_ids;  ///< the end-of-sequence token is not among them
  std::string text;                      ///< as streamed: up to the stop string, if one ended it
  FinishReason finish_reason = FinishReason::stop;
  Usage usage;
  Timings timings;
  MemoryUse memory;
  std::vector<float> first_logits;  ///< `[vocab]`; only with capture_logits
  std::vector<float>
      image_features;  ///< `[rows, hidden]`, as they enter the language model; only with capture_logits
  std::int64_t feature_width = 0;  ///< hidden of image_features
};

}  // namespace mlx_vision
