#include "kernels/attention.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "kernels/targets.h"

using namespace mlx_vision;
using namespace mlx_vision::kernels;

namespace {

mx::array noise(const mx::Shape& shape, int seed, float scale = 1) {
  return mx::random::normal(shape, mx::float32, 0, scale, mx::random::key(std::uint64_t(seed)));
}

float difference(const mx::array& a, const mx::array& b) { return mx::max(mx::abs(a - b)).item<float>(); }

/// The most that evaluating x takes besides what there is.
std::size_t bytes_above(mx::array x) {
  mx::clear_cache();
  mx::reset_peak_memory();
  const std::size_t before = mx::get_active_memory();
  x.eval();
  return mx::get_peak_memory() - before;
}

mx::array reference(const mx::array& q, const mx::array& k, const mx::array& v, float scale, bool causal) {
  return mx::fast::scaled_dot_product_attention(q, k, v, scale, causal ? "causal" : "");
}

struct Case {
  int batch, heads, kv_heads, queries, keys, d;
};

// Grouped heads, head sizes off every vector width, lengths off every tile, one query, more keys than
// queries.
constexpr Case kCases[] = {{1, 4, 2, 33, 50, 24},   {2, 3, 3, 1, 300, 16},  {1, 12, 2, 70, 70, 128},
                           {1, 2, 1, 260, 260, 80}, {1, 9, 3, 5, 1000, 64}, {2, 2, 2, 17, 17, 7},
                           {1, 6, 1, 1, 2000, 72}};

}  // namespace

TEST_CASE("attention equals MLX's for masks, grouped heads and any size, on every instruction set") {
  test::for_each_target([](const char* name) {
    CAPTURE(std::string(name));
    for (const Case& c : kCases)
      for (const bool causal : {false, true}) {
        CAPTURE(c.queries);
        CAPTURE(c.keys);
        CAPTURE(c.d);
        CAPTURE(causal);
        const auto q = noise({c.batch, c.heads, c.queries, c.d}, 1),
                   k = noise({c.batch, c.kv_heads, c.keys, c.d}, 2),
                   v = noise({c.batch, c.kv_heads, c.keys, c.d}, 3);
        const float scale = 1 / std::sqrt(float(c.d));
        CHECK(difference(attention(q, k, v, {.scale = scale, .causal = causal}),
                         reference(q, k, v, scale, causal)) < 2e-5f);
      }
  });
}

TEST_CASE("the matrix unit's attention equals MLX's, with rests on every side") {
  for (const int queries : {32, 47, 193, 260})
    for (const int keys : {260, 300, 511})
      for (const int d : {8, 24, 72, 80, 128})
        for (const bool causal : {false, true}) {
          CAPTURE(queries);
          CAPTURE(keys);
          CAPTURE(d);
          CAPTURE(causal);
          const auto q = noise({1, 4, queries, d}, 1), k = noise({1, 2, keys, d}, 2),
                     v = noise({1, 2, keys, d}, 3);
          const float scale = 1 / std::sqrt(float(d));
          CHECK(difference(attention(q, k, v, {.scale = scale, .causal = causal}),
                           reference(q, k, v, scale, causal)) < 2e-5f);
        }
}

TEST_CASE("any number of threads gives the same attention") {
  auto& pool = core::ThreadPool::shared();
  const int before = pool.threads();
  for (const int threads : {1, 2, 3, 16}) {
    pool.resize(threads);
    for (const Case& c : kCases) {
      CAPTURE(threads);
      CAPTURE(c.keys);
      const auto q = noise({c.batch, c.heads, c.queries, c.d}, 1),
                 k = noise({c.batch, c.kv_heads, c.keys, c.d}, 2),
                 v = noise({c.batch, c.kv_heads, c.keys, c.d}, 3);
      const auto y = attention(q, k, v, {.scale = 0.2f, .causal = true});
      CHECK(difference(y, reference(q, k, v, 0.2f, true)) < 2e-5f);
    }
  }
  pool.resize(before);
}

TEST_CASE("views of a cache and of projected rows are read where they lie") {
  const auto rows = noise({1, 40, 4 * 16}, 1), buffer = noise({1, 2, 256, 16}, 2);
  const auto q = mx::transpose(mx::reshape(rows, {1, 40, 4, 16}), {0, 2, 1, 3});
  const auto k = mx::slice(buffer, {0, 0, 0, 0}, {1, 2, 90, 16});
  const auto v = mx::transpose(noise({1, 16, 90, 2}, 3), {0, 3, 2, 1});  // the last axis is not contiguous
  const auto y = attention(q, k, v, {.scale = 0.3f, .causal = true});
  CHECK(difference(y, reference(q, k, v, 0.3f, true)) < 2e-5f);
  const auto merged = mx::reshape(mx::transpose(y, {0, 2, 1, 3}), {1, 40, 64});
  const auto expected = mx::reshape(mx::transpose(reference(q, k, v, 0.3f, true), {0, 2, 1, 3}), {1, 40, 64});
  CHECK(difference(merged, expected) < 2e-5f);
}

TEST_CASE("queries see the keys that they are told, scores may be bounded, values have a size of their own") {
  test::for_each_target([](const char* name) {
    CAPTURE(std::string(name));
    for (const auto& [queries, keys] : {std::array{70, 70}, {5, 300}, {1, 900}, {300, 700}})
      for (const int window : {1, 13, 128, 2000}) {
        CAPTURE(queries);
        CAPTURE(window);
        const auto q = noise({1, 4, queries, 24}, 1), k = noise({1, 2, keys, 24}, 2),
                   v = noise({1, 2, keys, 40}, 3);
        std::vector<int> first, last;
        for (int i = keys - queries; i < keys; ++i) {
          first.push_back(std::max(0, i - window + 1));
          last.push_back(i % 5 == 0 ? std::min(keys - 1, i + 40) : i);
        }
        const auto column = [&](const std::vector<int>& values) {
          return mx::array(values.begin(), {queries, 1}, mx::int32);
        };
        const auto positions = mx::expand_dims(mx::arange(keys), 0);
        const auto mask = mx::logical_and(mx::greater_equal(positions, column(first)),
                                          mx::less_equal(positions, column(last)));
        for (const float cap : {0.0f, 1.5f}) {
          auto scores = mx::matmul(q, mx::transpose(mx::repeat(k, 2, 1), {0, 1, 3, 2})) * mx::array(0.2f);
          if (cap > 0) scores = mx::tanh(scores / mx::array(cap)) * mx::array(cap);
          scores = mx::where(mask, scores, mx::array(-std::numeric_limits<float>::infinity()));
          const auto expected = mx::matmul(mx::softmax(scores, -1, true), mx::repeat(v, 2, 1));
          const AttentionSpec spec{.scale = 0.2f, .softcap = cap, .first = first, .last = last};
          CHECK(difference(attention(q, k, v, spec), expected) < 2e-5f);
        }
      }
  });
}

TEST_CASE("blocks see themselves only") {
  const auto q = noise({1, 2, 420, 80}, 1), k = noise({1, 2, 420, 80}, 2), v = noise({1, 2, 420, 80}, 3);
  const std::array ends{4, 68, 69, 400, 420};
  const auto y = attention(q, k, v, {.scale = 0.1f, .ends = {ends.begin(), ends.end()}});
  int begin = 0;
  for (const int end : ends) {
    const auto part = [&](const mx::array& x) { return mx::slice(x, {0, 0, begin, 0}, {1, 2, end, 80}); };
    CHECK(difference(part(y), reference(part(q), part(k), part(v), 0.1f, false)) < 2e-5f);
    begin = end;
  }
}

TEST_CASE("scores of any size neither overflow nor vanish") {
  const auto k = noise({1, 1, 600, 32}, 2), v = noise({1, 1, 600, 32}, 3);
  for (const float size : {1e-20f, 300.0f, 1e4f}) {
    CAPTURE(size);
    const auto q = noise({1, 1, 20, 32}, 1, size);
    const auto y = attention(q, k, v, {.scale = 1.0f});
    CHECK(mx::all(mx::isfinite(y)).item<bool>());
    CHECK(difference(y, reference(q, k, v, 1.0f, false)) < 1e-3f);
  }
}

TEST_CASE("memory does not grow with the number of tokens") {
  const int length = 4096;
  const auto q = noise({1, 2, length, 16}, 1), k = noise({1, 2, length, 16}, 2),
             v = noise({1, 2, length, 16}, 3);
  mx::eval(q, k, v);
  // The scores would be 134 MB.
  CHECK(bytes_above(attention(q, k, v, {.scale = 0.25f, .causal = true})) < 2 * q.nbytes());
}

TEST_CASE("shapes that do not fit are refused") {
  const auto q = noise({1, 4, 8, 16}, 1), k = noise({1, 2, 8, 16}, 2);
  CHECK_THROWS_AS(attention(q, noise({1, 3, 8, 16}, 2), noise({1, 3, 8, 16}, 2), {}), std::invalid_argument);
  CHECK_THROWS_AS(attention(q, k, noise({1, 2, 9, 16}, 2), {}), std::invalid_argument);
  CHECK_THROWS_AS(attention(noise({1, 4, 9, 16}, 1), k, k, {.causal = true}), std::invalid_argument);
  CHECK_THROWS_AS(attention(q, k, k, {.ends = {4}}), std::invalid_argument);
  CHECK_THROWS_AS(attention(q, k, k, {.first = {0}, .last = {3}}), std::invalid_argument);
}
