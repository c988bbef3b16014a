#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>

#include "mlx_vision/error.h"

namespace mlx_vision::engine {

namespace {

constexpr float kMinTemperature = 0.01f;
constexpr float kDropped = -std::numeric_limits<float>::infinity();

[[noreturn]] void refuse(const char* field, const char* expected, double got) {
  throw RequestError(std::string(field).append(": expected ").append(expected) + ", got " +
                     std::to_string(got));
}

void require(bool good, const char* field, const char* expected, double got) {
  if (!good) refuse(field, expected, got);
}

bool at_least_zero(float value) { return std::isfinite(value) && value >= 0; }

std::span<const std::int32_t> recent(std::span<const std::int32_t> history, int context) {
  if (context == 0 || history.size() <= std::size_t(context)) return history;
  return history.last(std::size_t(context));
}

Penalty penalty(const char* field, std::optional<float> weight, int context) {
  require(!weight || std::isfinite(*weight), field, "a finite number", weight.value_or(0));
  require(context >= 0, field, "a context of 0 tokens or more", context);
  return {weight.value_or(0), context};
}

// Summed in double: over a vocabulary of 150,000 a float sum loses more than a token's weight.
void normalise(std::span<float> logits) {
  const float top = *std::max_element(logits.begin(), logits.end());
  if (!std::isfinite(top)) return;
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - top);
  const float log_sum = float(top + std::log(sum));
  for (float& x : logits) x -= log_sum;
}

void scale(std::span<float> logits, float temperature) {
  for (float& x : logits) x /= temperature;
}

void drop_below(std::span<float> logprobs, float threshold) {
  for (float& x : logprobs)
    if (x < threshold) x = kDropped;
}

// The smallest set of largest probabilities whose sum reaches top_p, and whatever equals the least of them.
void apply_top_p(std::span<float> logprobs, float top_p) {
  // Tokens below this weigh less than 1 - top_p together and can be left aside: sorting the few others takes
  // microseconds, a vocabulary milliseconds.
  const float floor = std::log((1 - top_p) / float(logprobs.size()));
  std::vector<float> candidates;
  for (const float x : logprobs)
    if (x >= floor) candidates.push_back(x);
  std::sort(candidates.begin(), candidates.end(), std::greater<>());
  double mass = 0;
  float threshold = floor;
  for (std::size_t i = 0; i < candidates.size() && mass < top_p; ++i) {
    threshold = candidates[i];
    mass += std::exp(threshold);
  }
  drop_below(logprobs, threshold);
}

void apply_min_p(std::span<float> logprobs, float min_p) {
  drop_below(logprobs, *std::max_element(logprobs.begin(), logprobs.end()) + std::log(min_p));
}

void apply_top_k(std::span<float> logprobs, int top_k) {
  if (std::size_t(top_k) >= logprobs.size()) return;
  std::vector<float> sorted(logprobs.begin(), logprobs.end());
  const auto kth = sorted.begin() + (top_k - 1);
  std::nth_element(sorted.begin(), kth, sorted.end(), std::greater<>());
  const float least = *kth;
  // Of those that equal the least kept one, as many as have room.
  auto room = top_k - std::count_if(sorted.begin(), kth, [&](float x) { return x > least; });
  for (float& x : logprobs)
    if (x < least || (x == least && room-- <= 0)) x = kDropped;
}

}  // namespace

bool Sampling::plain_greedy() const {
  return temperature == 0 && bias.empty() && repetition.weight == 0 && presence.weight == 0 &&
         frequency.weight == 0;
}

Sampling resolve(const SamplingOptions& options, const SamplingDefaults& defaults, int vocab) {
  const float checkpoint = defaults.do_sample == false ? 0 : defaults.temperature.value_or(0);
  Sampling out;
  out.temperature = options.temperature.value_or(checkpoint);
  out.top_p = options.top_p.value_or(defaults.top_p.value_or(1));
  out.top_k = std::max(0, options.top_k.value_or(defaults.top_k.value_or(0)));
  out.min_p = options.min_p;
  out.seed = options.seed;
  require(at_least_zero(out.temperature), "temperature", "0 or more", out.temperature);
  require(at_least_zero(out.top_p) && out.top_p <= 1, "top_p", "0 to 1", out.top_p);
  require(at_least_zero(out.min_p) && out.min_p <= 1, "min_p", "0 to 1", out.min_p);
  if (out.temperature > 0) out.temperature = std::max(out.temperature, kMinTemperature);

  out.repetition = penalty("repetition_penalty", options.repetition_penalty, options.repetition_context);
  require(out.repetition.weight >= 0, "repetition_penalty", "0 or more", out.repetition.weight);
  out.presence = penalty("presence_penalty", options.presence_penalty, options.presence_context);
  out.frequency = penalty("frequency_penalty", options.frequency_penalty, options.frequency_context);

  for (const auto& [token, value] : options.logit_bias) {
    require(token >= 0 && token < vocab, "logit_bias", "a token of the vocabulary", token);
    require(!std::isnan(value), "logit_bias", "a number", value);
    out.bias.emplace_back(token, value);
  }
  return out;
}

void penalise(std::span<float> logits, std::span<const std::int32_t> history, const Sampling& sampling) {
  // A token that the tokenizer knows and the output matrix does not has no logit to lower.
  const auto known = [&](std::int32_t token) { return token >= 0 && std::size_t(token) < logits.size(); };
  for (const auto& [token, value] : sampling.bias)
    if (known(token)) logits[token] += value;

  if (const Penalty& p = sampling.repetition; p.weight != 0) {
    const auto tokens = recent(history, p.context);
    for (const std::int32_t token : std::set<std::int32_t>(tokens.begin(), tokens.end()))
      if (known(token))
        logits[token] = logits[token] < 0 ? logits[token] * p.weight : logits[token] / p.weight;
  }
  if (const Penalty& p = sampling.presence; p.weight != 0) {
    const auto tokens = recent(history, p.context);
    for (const std::int32_t token : std::set<std::int32_t>(tokens.begin(), tokens.end()))
      if (known(token)) logits[token] -= p.weight;
  }
  if (const Penalty& p = sampling.frequency; p.weight != 0)
    for (const std::int32_t token : recent(history, p.context))
      if (known(token)) logits[token] -= p.weight;
}

void filter(std::span<float> logits, const Sampling& sampling) {
  const bool nucleus = sampling.top_p > 0 && sampling.top_p < 1;
  normalise(logits);
  if (sampling.seed && sampling.min_p == 0) {
    if (sampling.top_k > 0) apply_top_k(logits, sampling.top_k);
    scale(logits, sampling.temperature);
    if (nucleus) {
      normalise(logits);
      apply_top_p(logits, sampling.top_p);
    }
    return;
  }
  if (nucleus) apply_top_p(logits, sampling.top_p);
  if (sampling.min_p > 0) apply_min_p(logits, sampling.min_p);
  if (sampling.top_k > 0) apply_top_k(logits, sampling.top_k);
  scale(logits, sampling.temperature);
}

std::int32_t draw(std::span<const float> log_weights, double uniform) {
  const auto top = std::max_element(log_weights.begin(), log_weights.end());
  auto chosen = std::int32_t(top - log_weights.begin());
  if (!std::isfinite(*top)) return chosen;  // an infinite logit, or nothing but dropped ones
  double total = 0;
  for (const float x : log_weights)
    if (x != kDropped) total += std::exp(x - *top);
  double left = uniform * total;
  for (std::size_t i = 0; i < log_weights.size(); ++i) {
    if (log_weights[i] == kDropped) continue;
    chosen = std::int32_t(i);
    left -= std::exp(log_weights[i] - *top);
    if (left < 0) break;
  }
  return chosen;
}

Sampler::Sampler(Sampling sampling, std::int32_t last_prompt_token)
    : sampling_(std::move(sampling)), history_{last_prompt_token} {
  std::random_device device;
  random_.seed(sampling_.seed ? *sampling_.seed : std::uint64_t(device()) << 32 | device());
}

std::int32_t Sampler::choose(std::span<float> logits) {
  // The filters compare and sort, which has no meaning for NaN.
  if (std::any_of(logits.begin(), logits.end(), [](float x) { return std::isnan(x); }))
    throw EngineError(
        "sampling: expected numbers as logits, got NaN; the weights may be damaged or overflow");
  penalise(logits, history_, sampling_);
  std::int32_t token;
  if (sampling_.temperature == 0) {
    token = std::int32_t(std::max_element(logits.begin(), logits.end()) - logits.begin());
  } else {
    filter(logits, sampling_);
    // The 53 bits of a double's fraction, by hand: uniform_real_distribution differs between libraries.
    token = draw(logits, double(random_() >> 11) * 0x1p-53);
  }
  history_.push_back(token);
  return token;
}

}  // namespace mlx_vision::engine
