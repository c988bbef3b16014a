#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <thread>
#include <utility>

#include "engine/engine.h"
#include "engine/fake_model.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using engine::Engine;
using engine::Job;

namespace {

constexpr std::uint64_t kWeights = 1000;

// A job that is reckoned to hold `resident` bytes beside the weights.
Job planned(std::int32_t first, int max_tokens, std::uint64_t resident) {
  Job job = fake::job({first, 1, 2, 3, 4, 5}, max_tokens);
  memory::Phase phase{.name = "decode"};
  phase[memory::Part::weights] = kWeights;
  phase[memory::Part::cache] = resident;
  job.plan = memory::MemoryPlan{.phases = {phase}, .settings = {.prefill_chunk = 4}, .weights = kWeights};
  return job;
}

struct Setup {
  std::shared_ptr<fake::Log> log = std::make_shared<fake::Log>();
  std::atomic<std::uint64_t> capacity = kWeights + 100;

  std::unique_ptr<Engine> engine() {
    engine::EngineLimits limits;
    limits.memory = [this] { return capacity.load(); };
    return std::make_unique<Engine>([log = log] { return std::make_unique<fake::Model>(log); }, limits);
  }
  bool ran_together() const {
    for (const auto& line : log->lines())
      if (line == "decode 10 20" || line == "decode 20 10") return true;
    return false;
  }
};

// The second is submitted while the first is under way, which goes on when the second waits.
void run_both(Engine& engine, Job first, Job second) {
  const auto started = std::make_shared<std::promise<void>>();
  first.progress = [&engine, started, open = std::make_shared<bool>(false)](const Progress&) {
    if (std::exchange(*open, true)) return;
    started->set_value();
    while (engine.waiting() < 1) std::this_thread::yield();
  };
  auto one = std::async(std::launch::async, [&] { return engine.run(std::move(first)); });
  started->get_future().wait();
  CHECK(engine.run(std::move(second)).output_ids.size() == 12);
  CHECK(one.get().output_ids.size() == 12);
}

}  // namespace

TEST_CASE("requests whose plans fit together run together") {
  Setup setup;
  const auto engine = setup.engine();
  run_both(*engine, planned(10, 12, 50), planned(20, 12, 50));
  CHECK(setup.ran_together());
}

TEST_CASE("one that does not fit beside another waits for it, and is answered") {
  Setup setup;
  const auto engine = setup.engine();
  run_both(*engine, planned(10, 12, 60), planned(20, 12, 60));
  CHECK_FALSE(setup.ran_together());
}

TEST_CASE("one that does not fit alone fails, and those after it run") {
  Setup setup;
  const auto engine = setup.engine();
  try {
    engine->run(planned(10, 3, 101));
    FAIL("expected a CapacityError");
  } catch (const CapacityError& error) {
    CHECK(error.needed() == kWeights + 101);
    CHECK(error.available() == kWeights + 100);
  }
  CHECK(engine->run(planned(20, 3, 100)).output_ids.size() == 3);
}

TEST_CASE("what a request was promised comes back when it fails or is cancelled") {
  Setup setup;
  const auto engine = setup.engine();
  for (int i = 0; i < 3; ++i) {
    Job poisoned = planned(10, 3, 100);
    poisoned.ids.push_back(fake::kPoison);
    CHECK_THROWS_AS(engine->run(std::move(poisoned)), EngineError);
    Job cancelled = planned(10, 3, 100);
    cancelled.cancellation.cancel();
    CHECK(engine->run(std::move(cancelled)).finish_reason == FinishReason::cancelled);
  }
  CHECK(engine->run(planned(20, 3, 100)).output_ids.size() == 3);
}

TEST_CASE("the plan's chunk is kept to, and planned bytes are told") {
  Setup setup;
  const auto engine = setup.engine();
  const auto outcome = engine->run(planned(10, 2, 40));
  CHECK(outcome.planned_bytes == kWeights + 40);
  std::vector<std::string> prefills;
  for (const auto& line : setup.log->lines())
    if (line.starts_with("prefill")) prefills.push_back(line);
  CHECK(prefills == std::vector<std::string>{"prefill 10 4", "prefill 10 2"});
}
