#pragma once
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "mlx_vision/options.h"

namespace mlx_vision::engine {

/// The fields of generation_config.json (or of config.json's top level) that stand in for absent options.
struct SamplingDefaults {
  std::optional<float> temperature, top_p;
  std::optional<int> top_k;
  std::optional<bool> do_sample;
};

/// A penalty and how many of the last tokens it looks back on; weight 0 = off.
struct Penalty {
  float weight = 0;
  int context = 20;  ///< 0 = all
};

/// How one request chooses tokens: checked, every default filled in.
struct Sampling {
  float temperature = 0;  ///< 0 = greedy
  float top_p = 1;        ///< off unless 0 < top_p < 1
  float min_p = 0;        ///< 0 = off
  int top_k = 0;          ///< 0 = off; so is a number that is not below the vocabulary
  Penalty repetition, presence, frequency;
  std::vector<std::pair<std::int32_t, float>> bias;
  std::optional<std::uint64_t> seed;

  /// True when the choice is the largest logit and nothing else, so that it can stay on the device.
  bool plain_greedy() const;
};

/// Explicit options, then the checkpoint's, then greedy. A positive temperature below 0.01 becomes 0.01; a
/// checkpoint's do_sample = false makes its temperature 0.
/// @throws RequestError for a number outside its range or a bias for no token of the vocabulary.
Sampling resolve(const SamplingOptions& options, const SamplingDefaults& defaults, int vocab);

/// Logit bias, then repetition, presence and frequency penalty, in place, on logits `[vocab]`. `history` is
/// the last prompt token and every token generated since: the reference shows its penalties no more of the
/// prompt. Repetition and presence count a token once, frequency as often as it stands there.
void penalise(std::span<float> logits, std::span<const std::int32_t> history, const Sampling& sampling);

/// Turns logits `[vocab]` into log weights to draw from, in place: normalised, filtered (-inf = dropped),
/// then divided by the temperature, which must be above 0. The order is the reference's: top_p, min_p, top_k
/// on the untempered distribution; with a seed and no min_p, top_k first and top_p on the tempered one. Of
/// equal logits at the edge, top_k keeps those with the lower ids and top_p keeps all.
void filter(std::span<float> logits, const Sampling& sampling);

/// Index drawn from `exp(log_weights)` by its cumulative sum; `uniform` is in [0, 1).
std::int32_t draw(std::span<const float> log_weights, double uniform);

/// The choice of one sequence's tokens on the host. The same seed and logits give the same tokens on every
/// platform and in any batch; the reference's own random stream is not reproduced. One thread at a time.
class Sampler {
 public:
  Sampler(Sampling sampling, std::int32_t last_prompt_token);

  const Sampling& sampling() const { return sampling_; }
  /// Chooses from logits `[vocab]`, which it uses as scratch, and remembers the choice for the penalties.
  /// @throws EngineError if a logit is not a number.
  std::int32_t choose(std::span<float> logits);

 private:
  Sampling sampling_;
  std::vector<std::int32_t> history_;
  std::mt19937_64 random_;
};

}  // namespace mlx_vision::engine
