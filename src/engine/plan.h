#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace mlx_vision::engine {

/// Where an admitted request stands. Each passes through these in order.
enum class Phase { encode, prefill, decode };

/// What the planner knows of an admitted request.
struct SequenceView {
  std::uint64_t id = 0;
  Phase phase = Phase::encode;
  int prompt_left = 0;  ///< prompt tokens that are not in the cache yet
};

struct PlanLimits {
  int prefill_step = 2048;  ///< most prompt tokens in one step
  int max_active = 8;       ///< most requests that hold caches at one time
};

/// Prompt work of one step: one image, or one chunk of one prompt.
struct PromptWork {
  std::uint64_t id = 0;
  Phase phase = Phase::encode;
  int count = 0;  ///< prompt tokens; 0 for an image
};

/// One turn of the engine. Decoding sequences advance by one token together; besides them, one piece of
/// prompt work is done, so that nobody's answer stalls for longer than one piece, and prompts take turns.
struct StepPlan {
  int admit = 0;                      ///< waiting requests to take in, oldest first
  std::optional<PromptWork> prompt;   ///< for one sequence
  std::vector<std::uint64_t> decode;  ///< sequences to run as one batch
};

/// Pure. `last_prompt` is the id served by the previous plan's prompt work: the next one in the order of ids,
/// cyclically, has its turn.
StepPlan plan_step(std::span<const SequenceView> active, int waiting, std::uint64_t last_prompt,
                   const PlanLimits& limits);

/// What is wrong with a plan, in sentences; empty = sound. For tests and debug builds.
std::vector<std::string> violations(const StepPlan& plan, std::span<const SequenceView> active, int waiting,
                                    const PlanLimits& limits);

}  // namespace mlx_vision::engine
