#include "engine/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "mlx_vision/error.h"

using namespace mlx_vision;
using engine::resolve;
using engine::Sampler;
using engine::Sampling;
using engine::SamplingDefaults;

namespace {

SamplingOptions options_of(const nlohmann::json& json) {
  SamplingOptions out;
  const auto number = [&](const char* key, auto& to) {
    if (json.contains(key)) to = json.at(key).get<float>();
  };
  const auto count = [&](const char* key, auto& to) {
    if (json.contains(key)) to = json.at(key).get<int>();
  };
  number("temperature", out.temperature);
  number("top_p", out.top_p);
  number("min_p", out.min_p);
  number("repetition_penalty", out.repetition_penalty);
  number("presence_penalty", out.presence_penalty);
  number("frequency_penalty", out.frequency_penalty);
  count("top_k", out.top_k);
  count("seed", out.seed);
  count("repetition_context", out.repetition_context);
  count("presence_context", out.presence_context);
  count("frequency_context", out.frequency_context);
  if (json.contains("logit_bias"))
    for (const auto& [token, value] : json.at("logit_bias").items())
      out.logit_bias[std::stoi(token)] = value.get<float>();
  return out;
}

std::vector<double> softmax(const std::vector<float>& logits) {
  const float top = *std::max_element(logits.begin(), logits.end());
  std::vector<double> out;
  double sum = 0;
  for (const float x : logits) sum += out.emplace_back(std::exp(double(x) - top));
  for (double& x : out) x /= sum;
  return out;
}

}  // namespace

TEST_CASE("penalties and filters are mlx-vlm's") {
  const auto cases = nlohmann::json::parse(std::ifstream(TESTS_DIR "/engine/sampler_goldens.json"));
  REQUIRE(cases.size() > 100);
  for (const auto& c : cases) {
    CAPTURE(c.at("options").dump());
    auto logits = c.at("logits").get<std::vector<float>>();
    const auto history = c.at("history").get<std::vector<std::int32_t>>();
    const Sampling sampling = resolve(options_of(c.at("options")), {}, int(logits.size()));
    penalise(logits, history, sampling);
    const auto penalised = c.at("penalised").get<std::vector<float>>();
    for (std::size_t i = 0; i < logits.size(); ++i)
      CHECK(logits[i] == doctest::Approx(penalised[i]).epsilon(1e-6));
    if (!c.contains("probabilities")) continue;
    filter(logits, sampling);
    const auto expected = c.at("probabilities").get<std::vector<double>>();
    const auto got = softmax(logits);
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (std::isinf(logits[i])) CHECK(expected[i] == 0);
      if (expected[i] == 0) CHECK(got[i] < 1e-20);  // filtered, or too small for the reference's float
      CHECK(std::abs(got[i] - expected[i]) < 2e-6);
    }
  }
}

TEST_CASE("options come first, then the checkpoint's, then greedy") {
  SamplingOptions none;
  CHECK(resolve(none, {}, 10).plain_greedy());
  const SamplingDefaults checkpoint{.temperature = 0.6f, .top_p = 0.9f, .top_k = 20, .do_sample = true};
  const Sampling taken = resolve(none, checkpoint, 10);
  CHECK(taken.temperature == 0.6f);
  CHECK(taken.top_p == 0.9f);
  CHECK(taken.top_k == 20);
  const SamplingDefaults greedy{.temperature = 0.6f, .top_p = {}, .top_k = {}, .do_sample = false};
  CHECK(resolve(none, greedy, 10).temperature == 0);
  SamplingOptions own;
  own.temperature = 0.001f;
  own.top_p = 1.0f;
  own.top_k = 0;
  CHECK(resolve(own, greedy, 10).temperature == 0.01f);
  CHECK(resolve(own, checkpoint, 10).top_p == 1);
  CHECK(resolve(own, checkpoint, 10).top_k == 0);
  own.temperature = 0;
  own.presence_penalty = 0.5f;
  CHECK_FALSE(resolve(own, {}, 10).plain_greedy());
}

TEST_CASE("numbers outside their range are refused by name") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto refused = [](auto set, const char* field) {
    SamplingOptions options;
    set(options);
    try {
      resolve(options, {}, 10);
      FAIL("accepted: " << field);
    } catch (const RequestError& e) {
      CHECK(std::string(e.what()).starts_with(field));
    }
  };
  refused([](auto& o) { o.temperature = -1; }, "temperature");
  refused([&](auto& o) { o.temperature = nan; }, "temperature");
  refused([](auto& o) { o.top_p = 1.5f; }, "top_p");
  refused([&](auto& o) { o.min_p = nan; }, "min_p");
  refused([](auto& o) { o.repetition_penalty = -1; }, "repetition_penalty");
  refused([&](auto& o) { o.presence_penalty = nan; }, "presence_penalty");
  refused([](auto& o) { o.frequency_context = -1; }, "frequency_penalty");
  refused([](auto& o) { o.logit_bias[10] = 1; }, "logit_bias");
  refused([](auto& o) { o.logit_bias[-1] = 1; }, "logit_bias");
  refused([&](auto& o) { o.logit_bias[1] = nan; }, "logit_bias");
}

TEST_CASE("a top_k that is not below the vocabulary keeps all") {
  std::vector<float> logits = {1, 2, 3};
  Sampling sampling;
  sampling.temperature = 1;
  sampling.top_k = 50;
  filter(logits, sampling);
  CHECK(std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); }));
}

TEST_CASE("of equal logits, top_k keeps the lower ids") {
  std::vector<float> logits(100, 0.f);
  Sampling sampling;
  sampling.temperature = 1;
  sampling.top_k = 3;
  filter(logits, sampling);
  CHECK(std::isfinite(logits[2]));
  CHECK(std::isinf(logits[3]));
}

TEST_CASE("draw follows the cumulative sum and never a dropped token") {
  const float no = -std::numeric_limits<float>::infinity();
  const std::vector<float> weights = {no, std::log(0.25f), no, std::log(0.75f), no};
  CHECK(engine::draw(weights, 0) == 1);
  CHECK(engine::draw(weights, 0.24) == 1);
  CHECK(engine::draw(weights, 0.26) == 3);
  CHECK(engine::draw(weights, 0.9999999999) == 3);
}

TEST_CASE("draws have the distribution of the weights, and a seed repeats them") {
  Sampling sampling;
  sampling.temperature = 1;
  sampling.seed = 11;
  const std::vector<float> logits = {0, 1, 2, 3};
  const auto expected = softmax(logits);
  Sampler a(sampling, 0), b(sampling, 0);
  std::vector<int> counts(4);
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    auto x = logits, y = logits;
    const auto token = a.choose(x);
    CHECK(token == b.choose(y));
    ++counts[token];
  }
  for (int i = 0; i < 4; ++i) CHECK(std::abs(counts[i] / double(kDraws) - expected[i]) < 0.015);
}

TEST_CASE("penalties see the last prompt token and what was generated") {
  Sampling sampling;
  sampling.presence.weight = 10;
  Sampler sampler(sampling, 2);
  const auto choose = [&] {
    std::vector<float> logits = {1, 2, 3};
    return sampler.choose(logits);
  };
  CHECK(choose() == 1);
  CHECK(choose() == 0);
  CHECK(choose() == 2);
}

TEST_CASE("logits that are no numbers are an error, infinite ones are not") {
  Sampling sampling;
  sampling.temperature = 1;
  Sampler sampler(sampling, 0);
  std::vector<float> logits = {0, std::numeric_limits<float>::quiet_NaN()};
  CHECK_THROWS_AS(sampler.choose(logits), EngineError);
  logits = {-std::numeric_limits<float>::infinity(), 1};
  CHECK(sampler.choose(logits) == 1);
}
