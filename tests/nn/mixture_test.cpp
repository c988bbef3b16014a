#include "nn/mixture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "weights/weights.h"

using namespace mlx_vision;
using namespace mlx_vision::nn;

namespace {

constexpr int kWidth = 64, kHidden = 32, kExperts = 5, kChosen = 2, kRows = 50;

mx::array noise(const mx::Shape& shape, int seed) {
  return mx::random::normal(shape, mx::float32, 0, 0.3f, mx::random::key(seed));
}

float difference(const mx::array& a, const mx::array& b) { return mx::max(mx::abs(a - b)).item<float>(); }

using Tensors = std::unordered_map<std::string, mx::array>;

Tensors stacked() {
  return {{"gate.weight", noise({kExperts, kWidth}, 1)},
          {"switch_mlp.gate_proj.weight", noise({kExperts, kHidden, kWidth}, 2)},
          {"switch_mlp.up_proj.weight", noise({kExperts, kHidden, kWidth}, 3)},
          {"switch_mlp.down_proj.weight", noise({kExperts, kWidth, kHidden}, 4)}};
}

mx::array run(const Tensors& tensors, const MixtureSpec& spec, const mx::array& x,
              const std::string& config = "{}") {
  weights::WeightStore store(tensors, weights::Layout::mlx, {},
                             core::ConfigReader::from_text(config, "config.json"));
  const Mixture mixture(weights::Weights{store}, spec);
  store.finish();
  return mixture(x);
}

constexpr MixtureSpec kSpec{.width = kWidth, .hidden = kHidden, .experts = kExperts, .chosen = kChosen};

mx::array row(const mx::array& x, int i) { return mx::slice(x, {i, 0}, {i + 1, x.shape(1)}); }

// One row at a time, expert by expert.
mx::array by_hand(const Tensors& t, const mx::array& x) {
  std::vector<mx::array> out;
  for (int i = 0; i < kRows; ++i) {
    auto scores = mx::softmax(mx::matmul(row(x, i), mx::transpose(t.at("gate.weight"))), -1);
    scores.eval();
    const float* p = scores.data<float>();
    std::vector<int> order(kExperts);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int a, int b) { return p[a] > p[b]; });
    float sum = 0;
    for (int k = 0; k < kChosen; ++k) sum += p[order[k]];
    auto y = mx::zeros({1, kWidth});
    for (int k = 0; k < kChosen; ++k) {
      const auto map = [&](const char* name, const mx::array& in) {
        const auto all = t.at(std::string("switch_mlp.") + name + ".weight");
        return mx::matmul(in, mx::transpose(mx::take(all, order[k], 0)));
      };
      const auto gate = map("gate_proj", row(x, i));
      const auto h = gate * mx::sigmoid(gate) * map("up_proj", row(x, i));
      y = y + map("down_proj", h) * mx::array(p[order[k]] / sum);
    }
    out.push_back(y);
  }
  return mx::concatenate(out, 0);
}

}  // namespace

TEST_CASE("a mixture is the weighed sum of the best experts, few rows and many") {
  const auto tensors = stacked();
  const auto x = noise({kRows, kWidth}, 9);
  const auto expected = by_hand(tensors, x);
  CHECK(difference(run(tensors, kSpec, mx::expand_dims(x, 0)), mx::expand_dims(expected, 0)) < 1e-5f);
  const auto few = mx::slice(x, {0, 0}, {3, kWidth});
  CHECK(difference(run(tensors, kSpec, mx::expand_dims(few, 0)),
                   mx::expand_dims(mx::slice(expected, {0, 0}, {3, kWidth}), 0)) < 1e-5f);
}

TEST_CASE("experts are the same however the file lays them out") {
  const auto tensors = stacked();
  const auto x = noise({1, kRows, kWidth}, 9);
  const auto expected = run(tensors, kSpec, x);
  const auto& gate = tensors.at("switch_mlp.gate_proj.weight");
  const auto& up = tensors.at("switch_mlp.up_proj.weight");
  const auto& down = tensors.at("switch_mlp.down_proj.weight");
  const Tensors fused{{"gate.weight", tensors.at("gate.weight")},
                      {"experts.gate_up_proj", mx::concatenate({gate, up}, 1)},
                      {"experts.down_proj", down}};
  CHECK(difference(run(fused, kSpec, x), expected) < 1e-6f);
  const Tensors turned{{"gate.weight", tensors.at("gate.weight")},
                       {"experts.gate_up_proj", mx::swapaxes(fused.at("experts.gate_up_proj"), 1, 2)},
                       {"experts.down_proj", mx::swapaxes(down, 1, 2)}};
  auto spec = kSpec;
  spec.layout = ExpertLayout::in_out;
  CHECK(difference(run(turned, spec, x), expected) < 1e-6f);
  Tensors single{{"gate.weight", tensors.at("gate.weight")}};
  for (int e = 0; e < kExperts; ++e)
    for (const char* name : {"gate_proj", "up_proj", "down_proj"})
      single.insert_or_assign("experts." + std::to_string(e) + "." + name + ".weight",
                              mx::take(tensors.at(std::string("switch_mlp.") + name + ".weight"), e, 0));
  CHECK(difference(run(single, kSpec, x), expected) < 1e-6f);
}

TEST_CASE("packed experts are multiplied as unpacked ones") {
  auto tensors = stacked(), unpacked = tensors;
  for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
    const std::string module = std::string("switch_mlp.") + name;
    const auto parts = mx::quantize(tensors.at(module + ".weight"), 32, 4);
    unpacked.insert_or_assign(module + ".weight", mx::dequantize(parts[0], parts[1], parts[2], 32, 4));
    tensors.insert_or_assign(module + ".weight", parts[0]);
    tensors.insert_or_assign(module + ".scales", parts[1]);
    tensors.insert_or_assign(module + ".biases", parts[2]);
  }
  const auto x = noise({1, kRows, kWidth}, 9);
  CHECK(difference(run(tensors, kSpec, x, R"({"quantization": {"group_size": 32, "bits": 4}})"),
                   run(unpacked, kSpec, x)) < 1e-4f);
}
