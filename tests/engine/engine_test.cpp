#include "engine/engine.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <numeric>
#include <thread>

#include "engine/fake_model.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using engine::Engine;
using engine::Job;
using engine::Outcome;

namespace {

using Ids = std::vector<std::int32_t>;

struct Setup {
  std::shared_ptr<fake::Log> log = std::make_shared<fake::Log>();
  engine::EngineLimits limits;

  std::unique_ptr<Engine> engine(bool breaks = false) {
    return std::make_unique<Engine>(
        [log = log, breaks] {
          auto model = std::make_unique<fake::Model>(log);
          model->break_ = breaks;
          return model;
        },
        limits);
  }
  std::vector<std::string> lines(std::string_view prefix) const {
    std::vector<std::string> out;
    for (auto& line : log->lines())
      if (line.starts_with(prefix)) out.push_back(line);
    return out;
  }
};

std::future<Outcome> launch(Engine& engine, Job job) {
  return std::async(std::launch::async, [&engine, job = std::move(job)] { return engine.run(job); });
}

// Holds the engine in the progress callback of a first request until `count` others wait, so that tests know
// which requests run side by side.
Job gate(Engine& engine, Job job, int count) {
  job.progress = [&engine, count, open = std::make_shared<bool>(false)](const Progress&) {
    while (!*open && engine.waiting() < count) std::this_thread::yield();
    *open = true;
  };
  return job;
}

Job sampled(Ids ids, int max_tokens) {
  Job out = fake::job(std::move(ids), max_tokens);
  out.sampling.temperature = 0.01f;  // the largest logit leads by 1: at this temperature it is always drawn
  out.sampling.seed = 7;
  return out;
}

}  // namespace

TEST_CASE("greedy tokens follow the model, and all figures are filled") {
  Setup setup;
  const auto engine = setup.engine();
  std::string streamed;
  Job job = fake::job({5}, 4);
  job.on_text = [&](std::string_view text) { streamed.append(text); };
  const Outcome out = engine->run(job);
  CHECK(out.output_ids == Ids{6, 7, 8, 9});
  CHECK(out.text == "ghij");
  CHECK(streamed == out.text);
  CHECK(out.finish_reason == FinishReason::length);
  CHECK(out.prefill_s > 0);
  CHECK(out.decode_s > 0);
  CHECK(out.prompt_tps > 0);
  CHECK(out.generation_tps > 0);
  CHECK(out.peak_bytes > 0);
  CHECK(out.first_logits.empty());
  CHECK(engine->vocab() == fake::kVocab);
}

TEST_CASE("a token chosen on the host is the one chosen on the device") {
  Setup setup;
  const auto engine = setup.engine();
  CHECK(engine->run(sampled({5}, 6)).output_ids == engine->run(fake::job({5}, 6)).output_ids);
  Job penalised = fake::job({5}, 4);
  penalised.sampling.bias = {{9, 5.0f}};
  CHECK(engine->run(penalised).output_ids == Ids{9, 9, 9, 9});
}

TEST_CASE("no step is run beyond the last token") {
  Setup setup;
  const auto engine = setup.engine();
  SUBCASE("on the device") { engine->run(fake::job({5}, 4)); }
  SUBCASE("on the host") { engine->run(sampled({5}, 4)); }
  CHECK(setup.lines("decode").size() == 3);
}

TEST_CASE("max_tokens 0 runs the prompt alone") {
  Setup setup;
  const auto engine = setup.engine();
  Job job = fake::job({5, 6}, 0);
  job.capture = true;
  const Outcome out = engine->run(job);
  CHECK(out.output_ids.empty());
  CHECK(out.finish_reason == FinishReason::length);
  REQUIRE(out.first_logits.size() == fake::kVocab);
  CHECK(out.first_logits[7] == 2);
  CHECK(out.first_logits[8] == 1);
  CHECK(setup.lines("decode").empty());
}

TEST_CASE("the end-of-sequence token ends the answer and is not part of it") {
  Setup setup;
  const auto engine = setup.engine();
  for (const bool host : {false, true}) {
    Job job = host ? sampled({5}, 10) : fake::job({5}, 10);
    job.eos = {8, 40};
    const Outcome out = engine->run(job);
    CHECK(out.output_ids == Ids{6, 7});
    CHECK(out.text == "gh");
    CHECK(out.finish_reason == FinishReason::stop);
    job.eos = {6};
    CHECK(engine->run(job).output_ids.empty());
  }
}

TEST_CASE("stop strings end the text, across token boundaries, without leaking a part") {
  Setup setup;
  const auto engine = setup.engine();
  Job job = fake::job({0}, 20);
  job.stop = {"fgh"};
  std::vector<std::string> pieces;
  job.on_text = [&](std::string_view text) { pieces.emplace_back(text); };
  const Outcome out = engine->run(job);
  CHECK(out.text == "bcde");
  CHECK(std::accumulate(pieces.begin(), pieces.end(), std::string()) == "bcde");
  CHECK(out.finish_reason == FinishReason::stop);
  CHECK(out.output_ids == Ids{1, 2, 3, 4, 5, 6, 7});

  job.stop = {"efx"};
  job.max_tokens = 5;
  CHECK(engine->run(job).text == "bcdef");  // what was held back comes out at the end
}

TEST_CASE("text that only the detokenizer's flush completes can still be a stop string") {
  Setup setup;
  const auto engine = setup.engine();
  Job job = fake::job({0}, 2);
  job.detokenizer = {.push = [](std::int32_t) { return std::string(); }, .flush = [] { return "abSTOPcd"; }};
  CHECK(engine->run(job).text == "abSTOPcd");
  job.stop = {"STOP"};
  const Outcome out = engine->run(job);
  CHECK(out.text == "ab");
  CHECK(out.finish_reason == FinishReason::stop);
}

TEST_CASE("a prompt is run in chunks of prefill_step, with progress") {
  Setup setup;
  setup.limits.plan.prefill_step = 4;
  const auto engine = setup.engine();
  Job job = fake::job({9, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 1);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
  job.progress = [&](const Progress& p) {
    CHECK(p.stage == Progress::Stage::prefill);
    seen.emplace_back(p.done, p.total);
  };
  CHECK(engine->run(job).output_ids == Ids{10});
  CHECK(setup.lines("prefill") == std::vector<std::string>{"prefill 9 4", "prefill 9 4", "prefill 9 2"});
  CHECK(seen == std::vector<std::pair<std::uint64_t, std::uint64_t>>{{4, 10}, {8, 10}, {10, 10}});
}

TEST_CASE("images are encoded one at a time, before the prompt, and captured in order") {
  Setup setup;
  const auto engine = setup.engine();
  Job job = fake::job({3}, 1);
  job.capture = true;
  job.images.resize(2);
  job.images[0].tokens = 2;
  job.images[1].tokens = 1;
  std::vector<std::uint64_t> encoded;
  job.progress = [&](const Progress& p) {
    if (p.stage == Progress::Stage::encode) encoded.push_back(p.done);
  };
  const Outcome out = engine->run(job);
  CHECK(setup.log->lines() ==
        std::vector<std::string>{"encode 2", "encode 1", "start 3 with 2", "prefill 3 1"});
  CHECK(encoded == std::vector<std::uint64_t>{1, 2});
  CHECK(out.feature_width == 4);
  CHECK(out.image_features == std::vector<float>{2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1});
  CHECK(out.encode_s > 0);
}

TEST_CASE("requests run side by side: prompts take turns, decoding goes on meanwhile") {
  Setup setup;
  setup.limits.plan.prefill_step = 2;
  const auto engine = setup.engine();
  auto first = launch(*engine, gate(*engine, fake::job({1, 1, 1, 1}, 12), 2));
  while (setup.lines("prefill").empty()) std::this_thread::yield();
  auto second = launch(*engine, fake::job({2, 2, 2, 2, 2, 2, 2, 2}, 3));
  while (engine->waiting() < 1) std::this_thread::yield();
  auto third = launch(*engine, sampled({3, 3, 3, 3, 3, 3, 3, 3}, 3));
  CHECK(first.get().output_ids == Ids{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13});
  CHECK(second.get().output_ids == Ids{3, 4, 5});
  CHECK(third.get().output_ids == Ids{4, 5, 6});

  const auto prompts = setup.lines("prefill");
  CHECK(prompts == std::vector<std::string>{"prefill 1 2", "prefill 1 2", "prefill 2 2", "prefill 3 2",
                                            "prefill 2 2", "prefill 3 2", "prefill 2 2", "prefill 3 2",
                                            "prefill 2 2", "prefill 3 2"});
  // Between two prompt chunks the first answer advanced by one token.
  const auto all = setup.log->lines();
  const auto chunk = std::find(all.begin(), all.end(), "prefill 2 2");
  REQUIRE(chunk + 2 < all.end());
  CHECK(chunk[1] == "decode 1");
  CHECK(chunk[2] == "prefill 3 2");
  // A greedy and a sampled answer share a step.
  CHECK(std::count(all.begin(), all.end(), "decode 1 2 3") +
            std::count(all.begin(), all.end(), "decode 2 3") >
        0);
}

TEST_CASE("a request that fails ends alone, with the cause and MLX's text") {
  Setup setup;
  const auto engine = setup.engine();
  auto good = launch(*engine, gate(*engine, fake::job({1}, 30), 3));
  while (setup.lines("prefill").empty()) std::this_thread::yield();
  auto poisoned = launch(*engine, fake::job({2, fake::kPoison}, 3));
  Job image = fake::job({3}, 3);
  image.images.resize(1);
  auto unencodable = launch(*engine, image);
  Job thrower = fake::job({4}, 3);
  thrower.on_text = [](std::string_view) { throw std::domain_error("mine"); };
  auto callback = launch(*engine, thrower);
  CHECK_THROWS_WITH_AS(poisoned.get(), "prefill: [matmul] poisoned", EngineError);
  CHECK_THROWS_WITH_AS(unencodable.get(), "image encoding: [conv] no pixels", EngineError);
  CHECK_THROWS_WITH_AS(callback.get(), "mine", std::domain_error);
  CHECK(good.get().output_ids.size() == 30);
  CHECK(engine->run(fake::job({5}, 1)).output_ids == Ids{6});
}

TEST_CASE("a failing batched step ends the batch, and the engine goes on") {
  Setup setup;
  const auto engine = setup.engine(true);
  CHECK_THROWS_WITH_AS(engine->run(fake::job({fake::kBreak - 1}, 3)), "decode: [sdpa] broken step",
                       EngineError);
  CHECK(engine->run(fake::job({5}, 2)).output_ids == Ids{6, 7});
}

TEST_CASE("cancellation stops between steps and between images, and keeps what there is") {
  Setup setup;
  const auto engine = setup.engine();
  Job job = fake::job({1}, 1000);
  int seen = 0;
  job.on_text = [&](std::string_view) {
    if (++seen == 3) job.cancellation.cancel();
  };
  const Outcome out = engine->run(job);
  CHECK(out.finish_reason == FinishReason::cancelled);
  CHECK(out.output_ids == Ids{2, 3, 4});
  CHECK(out.text == "cde");

  Job images = fake::job({1}, 10);
  images.images.resize(3);
  for (auto& image : images.images) image.tokens = 1;
  images.progress = [&](const Progress&) { images.cancellation.cancel(); };
  CHECK(engine->run(images).finish_reason == FinishReason::cancelled);
  CHECK(setup.lines("encode").size() == 1);
}

TEST_CASE("a waiting request can be cancelled, and a full queue refuses") {
  Setup setup;
  setup.limits.plan.max_active = 1;
  setup.limits.max_waiting = 2;
  const auto engine = setup.engine();
  std::atomic<bool> release = false;
  Job holder = fake::job({1}, 2);
  holder.progress = [&](const Progress&) {
    while (!release) std::this_thread::yield();
  };
  auto first = launch(*engine, holder);
  while (setup.lines("prefill").empty()) std::this_thread::yield();
  Job cancelled = fake::job({2}, 2);
  auto second = launch(*engine, cancelled);
  auto third = launch(*engine, fake::job({3}, 2));
  while (engine->waiting() < 2) std::this_thread::yield();
  try {
    engine->run(fake::job({4}, 2));
    FAIL("expected a CapacityError");
  } catch (const CapacityError& e) {
    CHECK(e.needed() == 3);
    CHECK(e.available() == 2);
  }
  cancelled.cancellation.cancel();
  release = true;
  CHECK(second.get().finish_reason == FinishReason::cancelled);
  CHECK(first.get().output_ids == Ids{2, 3});
  CHECK(third.get().output_ids == Ids{4, 5});
  CHECK(setup.lines("start 2").empty());
}

TEST_CASE("two threads submit many requests") {
  Setup setup;
  setup.limits.plan.max_active = 3;
  const auto engine = setup.engine();
  const auto submit = [&](int first) {
    for (int i = 0; i < 20; ++i) {
      const int token = (first + i) % 40, count = 1 + i % 5;
      const Outcome out = engine->run(i % 2 ? sampled({token, token}, count) : fake::job({token}, count));
      Ids expected(count);
      std::iota(expected.begin(), expected.end(), token + 1);
      if (out.output_ids != expected) return false;
    }
    return true;
  };
  auto other = std::async(std::launch::async, submit, 20);
  CHECK(submit(0));
  CHECK(other.get());
}

TEST_CASE("an engine that is closed ends what it still has") {
  Setup setup;
  auto engine = setup.engine();
  std::atomic<bool> running = false;
  Job job = fake::job({1}, 1 << 30);
  job.on_text = [&](std::string_view) { running = true; };
  auto answer = launch(*engine, job);
  while (!running) std::this_thread::yield();
  engine.reset();
  CHECK_THROWS_AS(answer.get(), EngineError);
}

TEST_CASE("a load that fails says why") {
  const auto load = [](std::function<void()> fail) {
    Engine engine([fail]() -> std::unique_ptr<models::Model> { return fail(), nullptr; }, {});
  };
  CHECK_THROWS_WITH_AS(load([] { throw WeightError("w"); }), "w", WeightError);
  CHECK_THROWS_WITH_AS(load([] { throw std::runtime_error("[load] m"); }), "load: [load] m", EngineError);
  CHECK_THROWS_AS(load([] { throw std::bad_alloc(); }), CapacityError);
}

TEST_CASE("an empty prompt is refused") {
  Setup setup;
  CHECK_THROWS_AS(setup.engine()->run(fake::job({}, 1)), RequestError);
}
