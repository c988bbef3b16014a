#include "nn/rope.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace mlx_vision;
using namespace mlx_vision::nn;

namespace {

std::string refusal(const std::string& json) {
  try {
    parse_rope(core::ConfigReader::from_text(json, "config.json"), 16, 10000);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "no error";
}

RopeSpec parse(const std::string& json) {
  return parse_rope(core::ConfigReader::from_text(json, "config.json"), 16, 10000);
}

float difference(const mx::array& a, const mx::array& b) { return mx::max(mx::abs(a - b)).item<float>(); }

}  // namespace

TEST_CASE("rope_theta is found in every place that configurations use") {
  CHECK(parse("{}").theta == 10000);
  CHECK(parse(R"({"rope_theta": 5})").theta == 5);
  CHECK(parse(R"({"rope_parameters": {"rope_type": "default", "rope_theta": 7}})").theta == 7);
  CHECK(parse(R"({"rope_scaling": {"type": "linear", "factor": 4}})").scale == doctest::Approx(0.25));
}

TEST_CASE("what is not supported is refused by name") {
  CHECK(refusal(R"({"rope_scaling": {"type": "longrope", "factor": 2}})") ==
        "config.json.rope_scaling.type: expected default, linear, llama3, yarn, dynamic, proportional or "
        "mrope, got "
        "longrope");
  CHECK(refusal(R"({"rope_scaling": {"type": "dynamic", "factor": 2}})").find("max_position_embeddings") !=
        std::string::npos);
  CHECK(refusal(R"({"partial_rotary_factor": 0.2})").find("expected an even part of head_dim 16") !=
        std::string::npos);
  CHECK(refusal(R"({"rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 4]}})")
            .find("add up to half the rotated width, 8") != std::string::npos);
}

TEST_CASE("multi-axis positions that agree are one-axis positions") {
  RopeSpec spec{.head_dim = 16};
  const Rope plain(spec);
  spec.sections = {{2, 3, 3}};
  const Rope axes(spec);
  const auto x = mx::random::normal({2, 3, 5, 16}, mx::float32, 0, 1, mx::random::key(1));
  const std::vector<int> begin{4, 4};
  const auto positions = mx::broadcast_to(mx::arange(4, 9, mx::int32), {3, 2, 5});
  CHECK(difference(plain(x, plain.table_from_offsets(begin)),
                   axes(x, axes.table_from_axes(positions, mx::float32))) < 1e-5f);
}

TEST_CASE("each row of a batch has its own offset") {
  const Rope rope(RopeSpec{.head_dim = 16});
  const auto x = mx::random::normal({2, 3, 1, 16}, mx::float32, 0, 1, mx::random::key(1));
  const auto joint = rope(x, rope.table_from_offsets(std::vector<int>{5, 900}));
  for (const int b : {0, 1}) {
    const auto row = [&](const mx::array& a) { return mx::slice(a, {b, 0, 0, 0}, {b + 1, 3, 1, 16}); };
    CHECK(difference(row(joint), rope(row(x), rope.table_from_offsets(std::vector<int>{b == 0 ? 5 : 900}))) <
          1e-6f);
  }
}

TEST_CASE("tables made for a known length rotate as offsets do") {
  for (const RopeSpec& spec :
       {RopeSpec{.head_dim = 16}, RopeSpec{.head_dim = 16, .scale = 0.25f},
        RopeSpec{.head_dim = 16, .llama3 = RopeSpec::Llama3{8, 1, 4, 64}},
        RopeSpec{.head_dim = 16, .rotated = 8}, RopeSpec{.head_dim = 16, .amplitude = 1.25f}}) {
    const Rope rope(spec);
    const auto x = mx::random::normal({2, 3, 7, 16}, mx::float32, 0, 1, mx::random::key(1));
    const std::vector<int> begin{0, 300};
    CHECK(difference(rope(x, rope.table_from_offsets(begin, 7, mx::float32)),
                     rope(x, rope.table_from_offsets(begin))) < 1e-4f);
  }
}

TEST_CASE("llama3 stretches long wavelengths only") {
  // One token at position p rotates pair i by p / wavelength; reading the angle back gives the wavelength.
  const auto angles = [](const RopeSpec& spec) {
    const Rope rope(spec);
    std::vector<float> values(16, 0);
    for (int i = 0; i < 8; ++i) values[i] = 1;
    const auto y = rope(mx::array(values.begin(), {1, 1, 1, 16}, mx::float32),
                        rope.table_from_offsets(std::vector<int>{1}));
    mx::eval(y);
    std::vector<float> out;
    for (int i = 0; i < 8; ++i) out.push_back(std::atan2(y.data<float>()[8 + i], y.data<float>()[i]));
    return out;
  };
  const auto plain = angles({.head_dim = 16, .theta = 500000});
  const auto scaled = angles({.head_dim = 16, .theta = 500000, .llama3 = RopeSpec::Llama3{8, 1, 4, 8192}});
  CHECK(scaled[0] == doctest::Approx(plain[0]));
  CHECK(scaled[7] == doctest::Approx(plain[7] / 8).epsilon(1e-3));
}
