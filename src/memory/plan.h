#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "memory/shape.h"

namespace mlx_vision::memory {

/// What may be changed to make work fit, at the price of time.
struct Settings {
  std::uint64_t attention_bytes = 1ull << 30;  ///< most bytes of scores one attention holds at a time
  int prefill_chunk = 2048;                    ///< prompt tokens per step
  int cache_step = 256;                        ///< tokens by which key-value caches grow
  friend bool operator==(const Settings&, const Settings&) = default;
};

/// One request, reckoned from sizes alone.
struct Work {
  std::vector<ImageWork> images;
  std::int64_t prompt_tokens = 0, max_tokens = 0;
};

enum class Part {
  weights,
  pixels,
  vision,
  scores,
  features,
  cache,
  prompt,
  logits,
  workspace,
  pictures,
};
constexpr std::size_t kParts = 10;

/// "weights", "attention scores", … as tables and errors name it.
std::string_view name_of(Part part);

/// Bytes by part at the worst moment of one phase.
struct Phase {
  std::string_view name;  ///< "load", "prepare", "encode", "prefill" or "decode"
  std::array<std::uint64_t, kParts> bytes{};

  std::uint64_t& operator[](Part part) { return bytes[std::size_t(part)]; }
  std::uint64_t operator[](Part part) const { return bytes[std::size_t(part)]; }
  /// Of MLX's allocator: all but `pictures`.
  std::uint64_t device() const;
  std::uint64_t total() const { return device() + (*this)[Part::pictures]; }
};

/// Bytes of one request: held until its end, and the most it takes besides while it is its turn.
struct Demand {
  std::uint64_t resident = 0, transient = 0;
};

/// The peak is the largest phase, not the sum of all parts.
struct MemoryPlan {
  std::vector<Phase> phases;
  Settings settings;

  const Phase& largest() const;  ///< by total()
  std::uint64_t device_peak() const;
  std::uint64_t total_peak() const { return largest().total(); }
  /// The part that takes most in the largest phase.
  Part largest_part() const;
  /// What the request takes besides the weights, of all memory.
  Demand demand() const;
  /// The same of MLX's allocator alone.
  Demand device_demand() const;

  std::uint64_t weights = 0;
};

/// Pure arithmetic; docs/memory.md has the formulas. The phases are those after loading.
MemoryPlan plan_request(const ModelShape& model, const Work& work, const Settings& settings);

/// Loading the weights.
Phase plan_load(const ModelShape& model);

/// Caches of all layers: of keys and values for so many tokens, rounded up to the step, and recurrent states.
std::uint64_t cache_bytes(const ModelShape& model, std::int64_t tokens, const Settings& settings);

}  // namespace mlx_vision::memory
