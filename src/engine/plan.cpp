#include "engine/plan.h"

#include <algorithm>
#include <set>

namespace mlx_vision::engine {

StepPlan plan_step(std::span<const SequenceView> active, int waiting, std::uint64_t last_prompt,
                   const PlanLimits& limits) {
  StepPlan plan;
  plan.admit = std::clamp(limits.max_active - int(active.size()), 0, waiting);
  const SequenceView* first = nullptr;  // of all with prompt work, the lowest id
  const SequenceView* next = nullptr;   // the lowest id above the one served last
  for (const SequenceView& s : active) {
    if (s.phase == Phase::decode) {
      plan.decode.push_back(s.id);
      continue;
    }
    if (!first || s.id < first->id) first = &s;
    if (s.id > last_prompt && (!next || s.id < next->id)) next = &s;
  }
  if (const SequenceView* turn = next ? next : first) {
    const int count = turn->phase == Phase::prefill ? std::min(turn->prompt_left, limits.prefill_step) : 0;
    plan.prompt = {.id = turn->id, .phase = turn->phase, .count = count};
  }
  return plan;
}

std::vector<std::string> violations(const StepPlan& plan, std::span<const SequenceView> active, int waiting,
                                    const PlanLimits& limits) {
  std::vector<std::string> out;
  const auto find = [&](std::uint64_t id) {
    return std::find_if(active.begin(), active.end(), [&](const SequenceView& s) { return s.id == id; });
  };
  if (plan.admit < 0 || plan.admit > waiting) out.push_back("admits requests that do not wait");
  if (plan.admit > 0 && int(active.size()) + plan.admit > limits.max_active)
    out.push_back("admits more requests than may be active");
  std::set<std::uint64_t> seen;
  for (const std::uint64_t id : plan.decode) {
    const auto it = find(id);
    if (it == active.end() || it->phase != Phase::decode)
      out.push_back("decodes a sequence that is not decoding");
    if (!seen.insert(id).second) out.push_back("decodes a sequence twice");
  }
  const auto decoding = std::count_if(active.begin(), active.end(),
                                      [](const SequenceView& s) { return s.phase == Phase::decode; });
  if (plan.decode.size() != std::size_t(decoding)) out.push_back("leaves a decoding sequence out");
  if (plan.prompt) {
    const auto it = find(plan.prompt->id);
    if (it == active.end() || it->phase != plan.prompt->phase)
      out.push_back("does prompt work that no sequence needs");
    else if (it->phase == Phase::prefill && (plan.prompt->count < 1 || plan.prompt->count > it->prompt_left ||
                                             plan.prompt->count > limits.prefill_step))
      out.push_back("prefills a wrong number of tokens");
  } else if (std::size_t(decoding) != active.size()) {
    out.push_back("leaves all prompts waiting");
  }
  return out;
}

}  // namespace mlx_vision::engine
