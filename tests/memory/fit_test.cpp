#include "memory/fit.h"

#include <doctest/doctest.h>

#include "memory/ledger.h"

using namespace mlx_vision::memory;

namespace {

// Qwen2-VL-2B's numbers.
ModelShape model() {
  return {.vision = {.blocks = {.layers = 32,
                                .hidden = 1280,
                                .heads = 16,
                                .kv_heads = 16,
                                .head_dim = 80,
                                .mlp_hidden = 5120,
                                .rotation = true},
                     .patch_values = 1176,
                     .merge = 4,
                     .merged_hidden = 5120},
          .text = {.layers = 28,
                   .hidden = 1536,
                   .heads = 12,
                   .kv_heads = 2,
                   .head_dim = 128,
                   .mlp_hidden = 8960,
                   .gated = true,
                   .rotation = true},
          .vocab = 151936,
          .packed_text = true,
          .weights = {.vision = 2'600'000'000, .language = 900'000'000}};
}

Work pictures(int count, std::int64_t patches) {
  Work work{.images = {}, .prompt_tokens = 30, .max_tokens = 100};
  for (int i = 0; i < count; ++i) {
    work.images.push_back({.patches = patches, .values = patches * 1176, .rows = patches / 4});
    work.prompt_tokens += patches / 4;
  }
  return work;
}

std::uint64_t peak(const Work& work, const Settings& settings = {}) {
  return plan_request(model(), work, settings).total_peak();
}

}  // namespace

TEST_CASE("a plan grows with everything that takes memory") {
  const std::uint64_t base = peak(pictures(1, 4096));
  CHECK(base > model().weights.total());
  CHECK(peak(pictures(1, 8192)) > base);
  CHECK(peak(pictures(4, 4096)) > base);
  Work longer = pictures(1, 4096);
  longer.max_tokens = 100'000;
  CHECK(peak(longer) > base);
  ModelShape small = model();
  small.element_bytes = 2;
  CHECK(plan_request(small, pictures(1, 4096), {}).total_peak() < base);
}

TEST_CASE("a plan shrinks with finer splits and smaller chunks") {
  const Work large = pictures(1, 40'000);
  CHECK(peak(large, {.attention_bytes = 64 << 20}) < peak(large));
  Work prompt{.images = {}, .prompt_tokens = 4000, .max_tokens = 1};
  CHECK(peak(prompt, {.prefill_chunk = 256}) < peak(prompt));
  CHECK(cache_bytes(model(), 1, {.cache_step = 32}) < cache_bytes(model(), 1, {.cache_step = 256}));
}

TEST_CASE("caches are rounded up to their step") {
  const std::uint64_t token = 28ull * 2 * 2 * 128 * 4;
  CHECK(cache_bytes(model(), 256, {.cache_step = 256}) == 256 * token);
  CHECK(cache_bytes(model(), 257, {.cache_step = 256}) == 512 * token);
  CHECK(cache_bytes(model(), 0, {.cache_step = 256}) == 0);
}

TEST_CASE("the peak is the largest phase") {
  const MemoryPlan plan = plan_request(model(), pictures(1, 8192), {});
  for (const Phase& phase : plan.phases) CHECK(phase.total() <= plan.total_peak());
  CHECK(plan.largest().total() == plan.total_peak());
  CHECK(plan.largest()[plan.largest_part()] > 0);
  const Demand all = plan.demand(), device = plan.device_demand();
  CHECK(plan.weights + all.resident + all.transient >= plan.total_peak());
  CHECK(plan.weights + device.resident + device.transient == plan.device_peak());
}

TEST_CASE("what fits runs as wanted, at the very limit, too") {
  const Work work = pictures(1, 8192);
  const Settings wanted;
  const auto plan = fit(model(), work, wanted, peak(work));
  REQUIRE(plan);
  CHECK(plan->settings == wanted);
  CHECK(changes(wanted, plan->settings).empty());
}

TEST_CASE("below that a finer split is chosen, then smaller chunks, and both are told") {
  const Work work = pictures(1, 40'000);
  const Settings wanted;
  const auto plan = fit(model(), work, wanted, peak(work) - 1);
  REQUIRE(plan);
  CHECK(plan->total_peak() < peak(work));
  CHECK(plan->settings.attention_bytes < wanted.attention_bytes);
  CHECK(plan->settings.prefill_chunk == wanted.prefill_chunk);
  CHECK(changes(wanted, plan->settings).at(0).starts_with("attention scores split at "));

  const Work prompt{.images = {}, .prompt_tokens = 4000, .max_tokens = 1};
  const auto chunked = fit(model(), prompt, wanted, peak(prompt, {.attention_bytes = 16 << 20}) - 1);
  REQUIRE(chunked);
  CHECK(chunked->settings.prefill_chunk < wanted.prefill_chunk);
}

TEST_CASE("what cannot fit is refused, with the least settings as the bound") {
  const Work work = pictures(8, 60'000);
  const std::uint64_t least_peak = peak(work, least({}));
  CHECK_FALSE(fit(model(), work, {}, least_peak - 1));
  CHECK(fit(model(), work, {}, least_peak));
}

TEST_CASE("a search finds the last value that fits") {
  const auto below = [](std::int64_t limit) { return [limit](std::int64_t n) { return n <= limit; }; };
  CHECK(largest_that_fits(1, 1000, below(37)) == 37);
  CHECK(largest_that_fits(1, 1000, below(5000)) == 1000);
  CHECK(largest_that_fits(5, 1000, below(5)) == 5);
  CHECK_FALSE(largest_that_fits(5, 1000, below(4)));
  CHECK_FALSE(largest_that_fits(5, 4, below(100)));
}

TEST_CASE("a refusal states need, available, the largest part and the ways out") {
  const MemoryPlan plan = plan_request(model(), pictures(1, 60'000), {});
  const std::string text =
      refusal(plan, 4'000'000'000, {.max_pixels = 401'408, .max_tokens = {}, .images = 2});
  CHECK(text.find(bytes_text(plan.total_peak())) != std::string::npos);
  CHECK(text.find("4.00 GB are available") != std::string::npos);
  CHECK(text.find(name_of(plan.largest_part())) != std::string::npos);
  CHECK(text.ends_with("; it would fit with --max-pixels 401408, or 2 images"));
  CHECK(refusal(plan, 1, {}).ends_with("no setting makes it fit, use a smaller model"));
}

TEST_CASE("reservations add up, the largest transient counts, and they are returned") {
  Ledger ledger;
  {
    const auto first =
        ledger.try_reserve({.resident = 30, .transient = 50}, {.resident = 10, .transient = 50}, 100);
    REQUIRE(first);
    CHECK(ledger.total() == 80);
    CHECK_FALSE(ledger.try_reserve({.resident = 21, .transient = 10}, {}, 100));
    CHECK(ledger.total() == 80);
    auto second =
        ledger.try_reserve({.resident = 20, .transient = 10}, {.resident = 20, .transient = 5}, 100);
    REQUIRE(second);
    CHECK(ledger.total() == 100);
    CHECK(ledger.device_total() == 80);
    const auto moved = std::move(*second);
    CHECK(ledger.total() == 100);
  }
  CHECK(ledger.total() == 0);
}
