#include "nn/layers.h"

#include <doctest/doctest.h>

#include <cmath>

#include "nn/kv_cache.h"

using namespace mlx_vision;
using namespace mlx_vision::nn;
using weights::Layout;
using weights::WeightStore;

namespace {

core::ConfigReader config(const std::string& text) {
  return core::ConfigReader::from_text(text, "config.json");
}
float difference(const mx::array& a, const mx::array& b) { return mx::max(mx::abs(a - b)).item<float>(); }

}  // namespace

TEST_CASE("neighbouring patches become one row, row by row in the picture and in the block") {
  // 2 x 4 patches of one value
  const auto x = mx::reshape(mx::arange(0, 8, mx::float32), {1, 8, 1});
  const auto merged = merge_patches(x, 2, 4, 2);
  CHECK(mx::array_equal(merged, mx::array({0.f, 1.f, 4.f, 5.f, 2.f, 3.f, 6.f, 7.f}, {1, 2, 4})).item<bool>());
}

TEST_CASE("a packed layer equals its unpacked weights, for every number of bits") {
  const auto dense = mx::random::normal({96, 128}, mx::float32, 0, 1, mx::random::key(1));
  const auto x = mx::random::normal({5, 128}, mx::float32, 0, 1, mx::random::key(2));
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    CAPTURE(bits);
    const auto packed = mx::quantize(dense, 64, bits);
    WeightStore store(
        {{"l.weight", packed[0]}, {"l.scales", packed[1]}, {"l.biases", packed[2]}}, Layout::mlx, {},
        config("{\"quantization\": {\"group_size\": 64, \"bits\": " + std::to_string(bits) + "}}"));
    const Weights w = Weights(store)["l"];
    const auto unpacked = mx::dequantize(packed[0], packed[1], packed[2], 64, bits);
    CHECK(difference(Linear(w, 128, 96, false)(x), mx::matmul(x, mx::transpose(unpacked))) < 1e-3f);
    const Embedding table(w, 96, 128);
    CHECK(difference(table(mx::array({7, 95, 7}, {3}, mx::int32)),
                     mx::take(unpacked, mx::array({7, 95, 7}, {3}, mx::int32), 0)) == 0);
    CHECK(difference(table.as_linear()(x), mx::matmul(x, mx::transpose(unpacked))) < 1e-3f);
    store.finish();
  }
}

TEST_CASE("sparse gates keep what exceeds the cut of a normal distribution") {
  const auto weight = mx::random::normal({512, 8}, mx::float32, 0, 1, mx::random::key(1));
  WeightStore store({{"gate_proj.weight", weight},
                     {"up_proj.weight", mx::zeros({512, 8})},
                     {"down_proj.weight", mx::ones({8, 512})}},
                    weights::Layout::mlx, {}, core::ConfigReader::empty("config.json"));
  const Weights w(store);
  const auto x = mx::random::normal({3, 8}, mx::float32, 0, 1, mx::random::key(2));
  // With up = 0 nothing passes; the gates are read through a map of ones.
  CHECK(mx::max(mx::abs(GatedMlp(w, {.width = 8, .hidden = 512, .sparsity = 0.9f})(x))).item<float>() == 0);
  const auto gates = GatedMlp(w, {.width = 8, .hidden = 512, .sparsity = 0.9f}).gates(x);
  const float part = mx::mean(mx::astype(mx::equal(gates, mx::array(0.0f)), mx::float32)).item<float>();
  CHECK(part > 0.85f);
  CHECK(part < 0.95f);
  const auto plain = mx::matmul(x, mx::transpose(weight));
  const auto cut = mx::mean(plain, -1, true) + mx::array(1.2815516f) * mx::std(plain, -1, true);
  CHECK(mx::max(mx::abs(gates - mx::maximum(plain - cut, mx::array(0.0f)))).item<float>() < 1e-4f);
}

TEST_CASE("activations") {
  const float x = 0.7f;
  const auto at = [&](Activation kind) { return activate(kind, mx::array(x)).item<float>(); };
  CHECK(at(Activation::silu) == doctest::Approx(x / (1 + std::exp(-x))));
  CHECK(at(Activation::quick_gelu) == doctest::Approx(x / (1 + std::exp(-1.702f * x))));
  CHECK(at(Activation::gelu) == doctest::Approx(x * 0.5f * (1 + std::erf(x / std::sqrt(2.0f)))));
  CHECK(
      at(Activation::gelu_tanh) ==
      doctest::Approx(0.5f * x * (1 + std::tanh(std::sqrt(2 / 3.14159265f) * (x + 0.044715f * x * x * x)))));
  for (const auto kind : {Activation::silu, Activation::quick_gelu, Activation::gelu, Activation::gelu_tanh})
    CHECK(activate(kind, mx::array(x, mx::bfloat16)).dtype() == mx::bfloat16);
}

TEST_CASE("a patch embedding is the convolution it stands for") {
  const auto kernel = mx::random::normal({6, 4, 4, 3}, mx::float32, 0, 1, mx::random::key(1));
  const auto pixels =
      mx::random::normal({2, 3, 10, 13}, mx::float32, 0, 1, mx::random::key(2));  // not multiples of 4
  WeightStore store({{"p.weight", kernel}}, Layout::mlx, {}, config("{}"));
  const Weights w(store);
  const PatchEmbed embed(w["p"], 3, 6, {4, 4}, false);
  const auto expected = mx::flatten(mx::conv2d(mx::transpose(pixels, {0, 2, 3, 1}), kernel, {4, 4}), 1, 2);
  CHECK(difference(embed(to_patches(pixels, 4)), expected) < 1e-4f);
}

TEST_CASE("a cache with a window returns what the step's tokens may see, and holds little more") {
  constexpr int kWindow = 40, kStep = 256;
  KvCache cache(kWindow);
  const auto all = mx::random::normal({1, 2, 1500, 4}, mx::float32, 0, 1, mx::random::key(1));
  const auto rows = [&](int from, int to) { return mx::slice(all, {0, 0, from, 0}, {1, 2, to, 4}); };
  int begin = 0;
  std::vector<int> counts{1, 30, 100, 1, 300};
  counts.insert(counts.end(), 1000, 1);
  for (const int count : counts) {
    cache.append(rows(begin, begin + count), mx::negative(rows(begin, begin + count)));
    const auto [keys, values] = cache.visible();
    const int first = std::max(0, begin - kWindow + 1);
    begin += count;
    REQUIRE(cache.begin() == first);
    REQUIRE(mx::array_equal(keys, rows(first, begin)).item<bool>());
    REQUIRE(mx::array_equal(values, mx::negative(rows(first, begin))).item<bool>());
  }
  CHECK(cache.length() == begin);
  CHECK(cache.bytes() <= std::uint64_t(2 * 2 * 4 * 4) * (kWindow + 2 * kStep));
}

TEST_CASE("a cache returns everything appended, across growth") {
  KvCache cache;
  const auto all = mx::random::normal({1, 2, 600, 4}, mx::float32, 0, 1, mx::random::key(1));
  int begin = 0;
  for (const int count : {1, 255, 1, 300, 43}) {
    const auto part = mx::slice(all, {0, 0, begin, 0}, {1, 2, begin + count, 4});
    cache.append(part, mx::negative(part));
    const auto [keys, values] = cache.visible();
    begin += count;
    const auto expected = mx::slice(all, {0, 0, 0, 0}, {1, 2, begin, 4});
    CHECK(mx::array_equal(keys, expected).item<bool>());
    CHECK(mx::array_equal(values, mx::negative(expected)).item<bool>());
  }
  CHECK(cache.length() == 600);
}
