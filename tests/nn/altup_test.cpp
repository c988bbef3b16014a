#include "nn/altup.h"

#include <doctest/doctest.h>

#include "weights/weights.h"

using namespace mlx_vision;
using namespace mlx_vision::nn;

namespace {

using Tensors = std::unordered_map<std::string, mx::array>;

float difference(const mx::array& a, const mx::array& b) { return mx::max(mx::abs(a - b)).item<float>(); }

mx::array noise(const mx::Shape& shape, int seed) {
  return mx::random::normal(shape, mx::float32, 0, 1, mx::random::key(std::uint64_t(seed)));
}

weights::WeightStore store(const Tensors& tensors) {
  return {tensors, weights::Layout::mlx, {}, core::ConfigReader::empty("config.json")};
}

// Two streams of four values; the router sees nothing, so that the factors are those of its zero: none.
Tensors silent_router() {
  return {{"router_norm.weight", mx::ones({4})},
          {"modality_router.weight", mx::zeros({2, 4})},
          {"prediction_coefs.weight", mx::ones({4, 2})},
          {"correction_coefs.weight", mx::ones({2, 2})},
          {"correct_output_scale", mx::array({1.0f, 2.0f, 3.0f, 4.0f})}};
}

}  // namespace

TEST_CASE("without a router streams are predicted as they are and corrected by what the block adds") {
  auto tensors = store(silent_router());
  const AltUp altup(weights::Weights(tensors), {.streams = 2, .active = 1}, {4, 1e-6f});
  const auto x = noise({1, 3, 2, 4}, 1), computed = noise({1, 3, 4}, 2);
  CHECK(difference(altup.predict(x), x) == 0);
  const auto active = mx::squeeze(mx::slice(x, {0, 0, 1, 0}, {1, 3, 2, 4}), 2);
  CHECK(difference(altup.active(x), active) == 0);
  CHECK(difference(altup.correct(x, computed), x + mx::expand_dims(computed - active, 2)) < 1e-6f);
  CHECK(difference(altup.scaled_active(x), active * mx::array({1.0f, 2.0f, 3.0f, 4.0f})) == 0);
  const auto added = AltUp::added_behind_first(x, computed);
  CHECK(difference(mx::slice(added, {0, 0, 0, 0}, {1, 3, 1, 4}), mx::slice(x, {0, 0, 0, 0}, {1, 3, 1, 4})) ==
        0);
  CHECK(difference(mx::squeeze(mx::slice(added, {0, 0, 1, 0}, {1, 3, 2, 4}), 2), active + computed) < 1e-6f);
}

TEST_CASE("each stream is predicted from all by the row of its factors") {
  auto tensors = silent_router();
  tensors.at("modality_router.weight") = noise({2, 4}, 5);
  // The second stream becomes itself and tanh of the first modality times the first; nothing else changes.
  tensors.at("prediction_coefs.weight") = mx::array({0.0f, 0.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0.0f}, {4, 2});
  auto held = store(tensors);
  const AltUp altup(weights::Weights(held), {.streams = 2, .active = 0}, {4, 0});
  const auto x = noise({1, 3, 2, 4}, 3);
  const auto first = altup.active(x);
  const auto normed = first * mx::rsqrt(mx::mean(mx::square(first), -1, true)) / mx::array(4.0f);
  const auto modality =
      mx::tanh(mx::slice(mx::matmul(normed, mx::transpose(noise({2, 4}, 5))), {0, 0, 0}, {1, 3, 1}));
  const auto expected =
      mx::concatenate({mx::slice(x, {0, 0, 0, 0}, {1, 3, 1, 4}),
                       mx::slice(x, {0, 0, 1, 0}, {1, 3, 2, 4}) + mx::expand_dims(modality * first, 2)},
                      2);
  CHECK(difference(altup.predict(x), expected) < 1e-5f);
}

TEST_CASE("streams have the magnitude of what enters, whatever their projections do") {
  Tensors tensors;
  for (const char* name : {"altup_projections.", "altup_unembed_projections."})
    for (int i = 0; i < 2; ++i)
      tensors.emplace(name + std::to_string(i) + ".weight", noise({4, 4}, i) * mx::array(30.0f));
  auto held = store(tensors);
  const AltUpStreams streams(weights::Weights(held), 3, 4);
  const auto h = noise({1, 5, 4}, 7);
  const auto x = streams.expand(h);
  REQUIRE(x.shape() == mx::Shape{1, 5, 3, 4});
  const auto squares = mx::mean(mx::square(x), -1);
  CHECK(difference(squares, mx::broadcast_to(mx::expand_dims(mx::mean(mx::square(h), -1), 2),
                                             squares.shape())) < 1e-5f);
  // Zeros stay zeros: nothing is divided by their magnitude.
  CHECK(difference(streams.combine(streams.expand(mx::zeros_like(h))), mx::zeros_like(h)) == 0);
}
