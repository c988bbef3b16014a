#include "engine/plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace mlx_vision::engine;

TEST_CASE("decoding sequences run as one batch beside one piece of prompt work") {
  const std::vector<SequenceView> active = {
      {1, Phase::decode, 0}, {2, Phase::prefill, 5000}, {3, Phase::decode, 0}};
  const StepPlan plan = plan_step(active, 4, 0, {.prefill_step = 2048, .max_active = 5});
  CHECK(plan.decode == std::vector<std::uint64_t>{1, 3});
  REQUIRE(plan.prompt);
  CHECK(plan.prompt->id == 2);
  CHECK(plan.prompt->count == 2048);
  CHECK(plan.admit == 2);
}

TEST_CASE("prompts take turns, images too") {
  const std::vector<SequenceView> active = {
      {4, Phase::prefill, 10}, {2, Phase::encode, 0}, {7, Phase::prefill, 3}};
  CHECK(plan_step(active, 0, 0, {}).prompt->id == 2);
  CHECK(plan_step(active, 0, 2, {}).prompt->id == 4);
  CHECK(plan_step(active, 0, 4, {}).prompt->id == 7);
  CHECK(plan_step(active, 0, 7, {}).prompt->id == 2);
  CHECK(plan_step(active, 0, 2, {}).prompt->count == 10);
}

TEST_CASE("nothing to do is an empty plan") {
  const StepPlan plan = plan_step({}, 0, 3, {});
  CHECK(plan.admit == 0);
  CHECK_FALSE(plan.prompt);
  CHECK(plan.decode.empty());
}

TEST_CASE("every plan is sound, and no prompt waits longer than the others take") {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const PlanLimits limits{.prefill_step = 1 + int(random() % 8), .max_active = 1 + int(random() % 6)};
    std::vector<SequenceView> active;
    for (int i = 0, n = int(random() % 6); i < n; ++i)
      active.push_back({std::uint64_t(i * 3 + 1), Phase(random() % 3), 1 + int(random() % 20)});
    const int waiting = int(random() % 4);
    std::uint64_t last = random() % 20;
    std::size_t prompts = 0;
    std::vector<std::uint64_t> served;
    for (const auto& s : active) prompts += s.phase != Phase::decode;
    for (std::size_t i = 0; i < prompts; ++i) {
      const StepPlan plan = plan_step(active, waiting, last, limits);
      CHECK(violations(plan, active, waiting, limits) == std::vector<std::string>{});
      last = plan.prompt->id;
      CHECK(std::count(served.begin(), served.end(), last) == 0);
      served.push_back(last);
    }
  }
}

TEST_CASE("violations are named") {
  const std::vector<SequenceView> active = {{1, Phase::decode, 0}, {2, Phase::prefill, 3}};
  const PlanLimits limits{.prefill_step = 2, .max_active = 2};
  StepPlan plan{.admit = 1, .prompt = PromptWork{2, Phase::prefill, 3}, .decode = {2, 2}};
  CHECK(violations(plan, active, 0, limits).size() == 7);
  CHECK(violations(StepPlan{.admit = 0, .prompt = {}, .decode = {1}}, active, 0, limits) ==
        std::vector<std::string>{"leaves all prompts waiting"});
}
