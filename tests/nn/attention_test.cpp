#include "nn/attention.h"

#include <doctest/doctest.h>

#include <array>

using namespace mlx_vision::nn;

namespace {

struct Budget {
  explicit Budget(std::uint64_t bytes) : before(attention_budget()) { set_attention_budget(bytes); }
  ~Budget() { set_attention_budget(before); }
  std::uint64_t before;
};

mx::array noise(const mx::Shape& shape, int seed) {
  return mx::random::normal(shape, mx::float32, 0, 1, mx::random::key(seed));
}

float difference(const mx::array& a, const mx::array& b) {
  return mx::max(mx::abs(mx::astype(a, mx::float32) - mx::astype(b, mx::float32))).item<float>();
}

}  // namespace

TEST_CASE("splitting queries changes nothing, for every mask, grouped heads and longer keys") {
  const auto q = noise({1, 4, 33, 24}, 1), k = noise({1, 2, 50, 24}, 2), v = noise({1, 2, 50, 24}, 3);
  for (const Mask mask : {Mask::none, Mask::causal}) {
    const auto whole = attention(q, k, v, 0.2f, mask);
    for (const std::uint64_t bytes : {1ull, 4ull * 50 * 8 * 7, 4ull * 50 * 8 * 32}) {
      const Budget budget(bytes);
      CHECK(difference(attention(q, k, v, 0.2f, mask), whole) < 1e-5f);
    }
  }
}

TEST_CASE("splitting queries changes nothing where MLX's own operations serve") {
  const auto half = [](const mx::array& x) {
    return mx::astype(x, mx::float16);
  };  // no kernel of ours takes it
  const auto q = half(noise({1, 4, 33, 24}, 1)), k = half(noise({1, 2, 50, 24}, 2)),
             v = half(noise({1, 2, 50, 24}, 3));
  for (const Mask mask : {Mask::none, Mask::causal}) {
    const auto whole = attention(q, k, v, 0.2f, mask);
    for (const std::uint64_t bytes : {1ull, 4ull * 50 * 8 * 7, 4ull * 50 * 8 * 32}) {
      const Budget budget(bytes);
      CHECK(difference(attention(q, k, v, 0.2f, mask), whole) < 4e-3f);
    }
  }
  const std::array ends{4, 8, 12, 15, 33};
  const auto square = [](const mx::array& x) { return mx::slice(x, {0, 0, 0, 0}, {1, x.shape(1), 33, 24}); };
  const auto wide = [](const mx::array& x) { return mx::astype(x, mx::float32); };
  CHECK(difference(block_attention(q, square(k), square(v), 0.3f, ends),
                   block_attention(wide(q), wide(square(k)), wide(square(v)), 0.3f, ends)) < 4e-3f);
}

TEST_CASE("peak memory follows the budget, not the number of tokens") {
  const int length = 4096;
  const auto q = noise({1, 2, length, 16}, 1), k = noise({1, 2, length, 16}, 2),
             v = noise({1, 2, length, 16}, 3);
  mx::eval(q, k, v);
  const std::uint64_t whole = 2ull * length * length * 4;  // one copy of all scores
  const Budget budget(8ull << 20);
  mx::clear_cache();
  mx::reset_peak_memory();
  const auto before = mx::get_active_memory();
  mx::eval(attention(q, k, v, 0.25f, Mask::causal));
  CHECK(mx::get_peak_memory() - before < whole / 4);
}

TEST_CASE("blocks do not see each other") {
  const auto q = noise({1, 2, 20, 8}, 1), k = noise({1, 2, 20, 8}, 2), v = noise({1, 2, 20, 8}, 3);
  const std::array ends{4, 8, 12, 15, 20};
  const auto y = block_attention(q, k, v, 0.3f, ends);
  int begin = 0;
  for (const int end : ends) {
    const auto part = [&](const mx::array& x) { return mx::slice(x, {0, 0, begin, 0}, {1, 2, end, 8}); };
    CHECK(difference(part(y), attention(part(q), part(k), part(v), 0.3f, Mask::none)) < 1e-6f);
    begin = end;
  }
}

TEST_CASE("visible keys: windows, rows that see each other, and splitting, against a written-out mask") {
  constexpr int kBegin = 17, kCount = 33, kWindow = 9, kKeys = kBegin + kCount;
  const auto q = noise({1, 4, kCount, 24}, 1), k = noise({1, 2, kKeys, 24}, 2),
             v = noise({1, 2, kKeys, 24}, 3);
  const std::array mutual{MutualRows{20, 34}, MutualRows{40, 42}};
  std::vector<float> mask;
  for (int i = kBegin; i < kKeys; ++i)
    for (int j = 0; j < kKeys; ++j) {
      bool seen = j <= i;
      for (const auto& rows : mutual)
        seen |= i >= rows.begin && i < rows.end && j >= rows.begin && j < rows.end;
      seen &= j > i - kWindow;
      mask.push_back(seen ? 0 : -1e9f);
    }
  const auto written = mx::array(mask.begin(), {kCount, kKeys}, mx::float32);
  auto visible = visible_keys(kBegin, kCount, kWindow, mutual);
  const auto expected = mx::fast::scaled_dot_product_attention(q, k, v, 0.2f, "", written);
  // A cache with a window holds no earlier key than one of the queries sees.
  const int first = kBegin - kWindow + 1;
  const auto late = [&](const mx::array& x) { return mx::slice(x, {0, 0, first, 0}, x.shape()); };
  const auto scores = mx::matmul(q * mx::array(0.2f), mx::swapaxes(mx::repeat(k, 2, 1), -1, -2));
  const auto softened = mx::softmax(mx::array(5.0f) * mx::tanh(scores / mx::array(5.0f)) + written, -1);
  const auto capped = mx::matmul(softened, mx::repeat(v, 2, 1));
  for (const std::uint64_t bytes : {1ull, 4ull * 20 * 8 * 7, 1ull << 30}) {
    const Budget budget(bytes);
    visible.key_begin = 0;
    CHECK(difference(attention(q, k, v, 0.2f, visible), expected) < 1e-5f);
    CHECK(difference(attention(q, k, v, 0.2f, visible, 5.0f), capped) < 1e-5f);
    visible.key_begin = first;
    CHECK(difference(attention(q, late(k), late(v), 0.2f, visible), expected) < 1e-5f);
  }
}
