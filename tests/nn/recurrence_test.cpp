#include "nn/recurrence.h"

#include <doctest/doctest.h>

#include <cmath>

#include "weights/weights.h"

using namespace mlx_vision;
using namespace mlx_vision::nn;

namespace {

mx::array noise(const mx::Shape& shape, int seed) {
  return mx::random::normal(shape, mx::float32, 0, 1, mx::random::key(seed));
}

float difference(const mx::array& a, const mx::array& b) { return mx::max(mx::abs(a - b)).item<float>(); }

mx::array tokens(const mx::array& x, int begin, int end) {
  auto from = mx::Shape(x.ndim(), 0), to = x.shape();
  from[2] = begin;
  to[2] = end;
  return mx::slice(x, from, to);
}

DeltaRuleInputs part(const DeltaRuleInputs& in, int begin, int end) {
  return {tokens(in.queries, begin, end), tokens(in.keys, begin, end), tokens(in.values, begin, end),
          tokens(in.decay, begin, end), tokens(in.rate, begin, end)};
}

// Keys of length 1; `alike` makes them nearly the same, where sums of powers would lose every digit.
DeltaRuleInputs inputs(int length, bool alike) {
  auto keys = noise({2, 3, length, 8}, 2);
  if (alike) keys = mx::array(1.0f) + mx::array(1e-3f) * keys;
  keys = keys * mx::rsqrt(mx::sum(keys * keys, -1, true));
  return {.queries = noise({2, 3, length, 8}, 1),
          .keys = keys,
          .values = noise({2, 3, length, 5}, 3),
          .decay = mx::negative(mx::abs(noise({2, 3, length}, 4))) * mx::array(alike ? 1e-3f : 1.0f),
          .rate = mx::sigmoid(noise({2, 3, length}, 5) + mx::array(alike ? 4.0f : 0.0f))};
}

}  // namespace

TEST_CASE("the delta rule in chunks is the delta rule token by token") {
  for (const int length : {2, kDeltaChunk, kDeltaChunk + 1, 3 * kDeltaChunk + 7})
    for (const bool alike : {false, true}) {
      CAPTURE(length);
      CAPTURE(alike);
      const auto in = inputs(length, alike);
      auto state = noise({2, 3, 8, 5}, 6);
      const auto [y, after] = gated_delta_rule(in, state);
      std::vector<mx::array> one_by_one;
      for (int i = 0; i < length; ++i) {
        auto [next, moved] = gated_delta_rule(part(in, i, i + 1), state);
        one_by_one.push_back(next);
        state = moved;
      }
      CHECK(difference(y, mx::concatenate(one_by_one, 2)) < 2e-5f);
      CHECK(difference(after, state) < 2e-5f);
    }
}

TEST_CASE("a causal convolution goes on where the last step ended, for each row of a batch") {
  const auto kernel = noise({6, 4, 1}, 1);
  weights::WeightStore store({{"c.weight", kernel}}, weights::Layout::mlx, {},
                             core::ConfigReader::from_text("{}", "config.json"));
  const weights::Weights w(store);
  const CausalConv conv(w["c"], 6, 4, false);
  const auto x = noise({2, 9, 6}, 2);
  const auto padded = mx::pad(x, std::vector<int>{1}, mx::Shape{3}, mx::Shape{0});
  const auto whole = mx::conv1d(padded, kernel, 1, 0, 1, 6);
  RecurrentState a, b;
  const std::vector<RecurrentState*> both{&a, &b};
  int begin = 0;
  for (const int count : {1, 2, 5, 1}) {
    const auto rows = [&](const mx::array& y) { return mx::slice(y, {0, begin, 0}, {2, begin + count, 6}); };
    CHECK(difference(conv(rows(x), both), rows(whole)) < 1e-5f);
    begin += count;
  }
}

TEST_CASE("a state of many rows is evaluated at once: until it is, it holds all that leads to it") {
  weights::WeightStore store({{"in_proj.weight", noise({24, 8}, 1)},
                              {"out_proj.weight", noise({8, 8}, 2)},
                              {"conv.weight", noise({8, 3, 1}, 3)}},
                             weights::Layout::mlx, {}, core::ConfigReader::from_text("{}", "config.json"));
  const ShortConv conv(weights::Weights(store), {.hidden = 8, .kernel = 3});
  LayerCache cache = conv.new_cache();
  LayerCache* const one[] = {&cache};
  const auto y = conv(noise({1, 20, 8}, 4), one);
  REQUIRE(std::get<RecurrentState>(cache).inputs);
  CHECK(std::get<RecurrentState>(cache).inputs->is_available());
  CHECK(y.shape() == mx::Shape{1, 20, 8});
}
