#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mlx_vision {

/// How tokens are chosen. Absent fields take the checkpoint's generation_config.json (temperature, top_p,
/// top_k, do_sample; nothing else, as the reference), then: temperature 0 (greedy), top_p 1, top_k 0 (off).
struct SamplingOptions {
  std::optional<float> temperature;  ///< 0 = greedy
  std::optional<float> top_p;
  std::optional<int> top_k;
  float min_p = 0;
  std::optional<float> repetition_penalty;
  std::optional<float> presence_penalty;
  std::optional<float> frequency_penalty;
  int repetition_context = 20;  ///< tokens that the penalties look back on
  int presence_context = 20;
  int frequency_context = 20;
  std::map<std::int32_t, float> logit_bias;
  std::optional<std::uint64_t> seed;  ///< absent = a fresh one each time
};

struct GenerateOptions {
  SamplingOptions sampling;
  int max_tokens = 2048;
  std::vector<std::string> stop;        ///< generation ends before the first of these strings
  std::vector<std::string> eos_tokens;  ///< further end-of-sequence tokens, by text
  bool ignore_eos = false;
  bool skip_special_tokens = false;  ///< leave special tokens out of the text
  std::optional<bool> enable_thinking;
  bool capture_logits = false;  ///< fill Result::first_logits and Result::image_features
};

/// Stages that are reported while they run.
struct Progress {
  enum class Stage { load, preprocess, encode, prefill } stage = Stage::load;
  std::uint64_t done = 0, total = 0;  ///< bytes, images or tokens
};
using ProgressCallback = std::function<void(const Progress&)>;

struct LoadOptions {
  std::optional<std::int64_t> min_pixels, max_pixels;  ///< of one prepared image; overrides the checkpoint's
  /// Every picture is first fitted into this width and height, then prepared as ever.
  std::optional<std::pair<int, int>> resize_shape;
  int prefill_step_size = 2048;                ///< prompt tokens per prefill chunk
  int threads = 0;                             ///< of the CPU's kernels; 0 = one for each core
  std::uint64_t attention_bytes = 1ull << 30;  ///< most bytes of scores one attention holds at a time
  /// Most bytes that the process may take: a smaller machine than there is. Absent = what the machine and its
  /// control groups allow.
  std::optional<std::uint64_t> memory_limit;
  bool float32 =
      false;  ///< compute in float32 whatever the weights are stored in; on the CPU it is always so
  ProgressCallback progress;  ///< called on the engine thread
};

}  // namespace mlx_vision
