#include "kernels/linear.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "kernels/dense_many.h"
#include "kernels/few_rows.h"
#include "kernels/many_rows.h"
#include "kernels/self_check.h"
#include "kernels/targets.h"
#include "kernels/tile_packed.h"
#include "kernels/tile_rows.h"
#include "kernels/vector_packed.h"

using namespace mlx_vision;
using namespace mlx_vision::kernels;

namespace {

mx::array noise(const mx::Shape& shape, int seed, mx::Dtype dtype = mx::float32) {
  return mx::astype(mx::random::normal(shape, mx::float32, 0, 1, mx::random::key(std::uint64_t(seed))),
                    dtype);
}

float difference(const mx::array& a, const mx::array& b) { return mx::max(mx::abs(a - b)).item<float>(); }

LinearWeight packed(int out, int in, int group, int bits, mx::Dtype scales = mx::float32) {
  const auto parts = mx::quantize(noise({out, in}, 7), group, bits);
  return {.data = parts[0],
          .scales = mx::astype(parts[1], scales),
          .biases = mx::astype(parts[2], scales),
          .group_size = group,
          .bits = bits};
}

mx::array dense(const LinearWeight& w) {
  if (!w.scales) return mx::astype(w.data, mx::float32);
  return mx::dequantize(w.data, mx::astype(*w.scales, mx::float32), mx::astype(*w.biases, mx::float32),
                        w.group_size, w.bits);
}

/// Against double precision, see product_error().
double error_of(const LinearWeight& w, int rows) {
  const auto x = noise({rows, w.in()}, 3);
  return product_error(x, dense(w), linear(x, w));
}

Element element_of(mx::Dtype dtype) {
  return dtype == mx::float32    ? Element::float32
         : dtype == mx::bfloat16 ? Element::bfloat16
                                 : Element::float16;
}

/// The same of one way of multiplying, whichever linear() takes.
double error_of(void (*multiply)(const LinearProduct&, float*), const LinearWeight& w, int rows,
                const std::optional<mx::array>& bias = std::nullopt) {
  const auto x = noise({rows, w.in()}, 3);
  mx::eval(x, w.data);
  if (w.scales) mx::eval(*w.scales, *w.biases);
  if (bias) mx::eval(*bias);
  std::vector<float> y(std::size_t(rows) * std::size_t(w.out()));
  std::vector<float> workspace(
      std::max(tile_rows_workspace(rows, w.in()), dense_many_workspace(rows, w.in())));
  LinearProduct product{
      .x = x.data<float>(), .rows = rows, .weight = {.data = w.data.data<void>()}, .y = y.data()};
  product.weight.out = w.out();
  product.weight.in = w.in();
  product.weight.element = element_of((w.scales ? *w.scales : w.data).dtype());
  if (w.scales) {
    product.weight.bits = w.bits;
    product.weight.group = w.group_size;
    product.weight.scales = w.scales->data<void>();
    product.weight.biases = w.biases->data<void>();
  }
  if (bias) product.bias = bias->data<float>();
  multiply(product, workspace.data());
  const mx::array got(y.begin(), {rows, w.out()});
  return product_error(x, dense(w), bias ? got - *bias : got);
}

constexpr double kRounding = 1e-6;
constexpr int kRowCounts[] = {1, 2, 5, 7, 8, 13, 31};  // on both sides of the switch, and of a tile

}  // namespace

TEST_CASE("packed products equal double precision for every packing, width and number of rows") {
  const int targets = test::for_each_target([](const char* name) {
    CAPTURE(std::string(name));
    for (const int bits : {2, 3, 4, 5, 6, 8})
      for (const int group : {32, 64, 128}) {
        // Inputs that leave a rest behind every vector width, outputs that leave one behind every tile.
        const int in = group == 32 ? 32 * 11 : group == 64 ? 64 * 9 : 128 * 3;
        const LinearWeight w = packed(43, in, group, bits);
        for (const int rows : kRowCounts) {
          CAPTURE(bits);
          CAPTURE(group);
          CAPTURE(rows);
          CHECK(error_of(w, rows) < kRounding);
        }
      }
  });
  CHECK(targets >= 2);  // one with vectors and the scalar one
}

TEST_CASE("dense products equal double precision in every type") {
  test::for_each_target([](const char* name) {
    CAPTURE(std::string(name));
    for (const auto dtype : {mx::float32, mx::bfloat16, mx::float16})
      for (const int in : {2, 30, 259, 588}) {
        if (dtype != mx::float32 && in == 259) continue;  // odd widths are converted first, see below
        const LinearWeight w{.data = noise({37, in}, 5, dtype)};
        for (const int rows : kRowCounts) {
          CAPTURE(in);
          CAPTURE(rows);
          CHECK(error_of(w, rows) < kRounding);
        }
      }
  });
  CHECK(error_of({.data = noise({5, 7}, 5, mx::bfloat16)}, 9) < kRounding);
}

TEST_CASE("the matrix unit's products equal double precision, with rests on every side") {
  if (!takes_tile_rows(100, {.out = 1, .in = 64, .element = Element::bfloat16})) return;  // there is none
  CHECK_FALSE(takes_tile_rows(100, {.out = 1, .in = 64, .element = Element::float32}));
  for (const int rows : {32, 47, 64, 96, 100, 111})
    for (const int out : {1, 16, 37, 300}) {
      CAPTURE(rows);
      CAPTURE(out);
      for (const int in : {2, 30, 32, 258, 588})
        for (const auto dtype : {mx::bfloat16, mx::float16})
          CHECK(error_of({.data = noise({out, in}, 5, dtype)}, rows) < kRounding);
    }
}

TEST_CASE("packed weights times bytes of x equal double precision, with rests on every side") {
  const WeightView any{.out = 1, .in = 64, .bits = 4, .group = 64};
  struct Way {
    void (*multiply)(const LinearProduct&, float*);
    bool (*takes)(int, const WeightView&);
  };
  for (const auto& [multiply, takes] :
       {Way{tile_packed, takes_tile_packed}, Way{vector_packed, takes_vector_packed}}) {
    if (!takes(100, any)) continue;  // this machine has not these products
    CHECK_FALSE(takes(100, {.out = 1, .in = 64}));
    struct Shape {
      int rows, out, groups;
    };
    for (const int bits : {2, 3, 4, 5, 6, 8})
      for (const int group : {32, 64, 128})
        for (const auto& [rows, out, groups] :
             {Shape{5, 300, 9}, {16, 16, 1}, {33, 37, 5}, {100, 1, 2}, {100, 70, 9}}) {
          CAPTURE(bits);
          CAPTURE(group);
          CAPTURE(rows);
          CAPTURE(out);
          CHECK(error_of(multiply, packed(out, groups * group, group, bits), rows) < kRounding);
        }
    for (const auto scales : {mx::float32, mx::bfloat16, mx::float16})
      CHECK(error_of(multiply, packed(40, 1024, 64, 4, scales), 70) < kRounding);
    CHECK(error_of(multiply, packed(75, 576, 64, 4), 70, noise({75}, 9)) < kRounding);
  }
}

TEST_CASE("a value that is no number spoils its row alone, whatever takes the rows") {
  const LinearWeight w = packed(20, 192, 64, 4);
  for (const int rows : {2, 12, 40})
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      CAPTURE(rows);
      std::vector<float> values(std::size_t(rows * 192), 0.5f);
      values[192 + 70] = bad;
      const auto y = linear(mx::array(values.begin(), {rows, 192}), w);
      const auto finite = mx::isfinite(y);
      CHECK(mx::all(mx::take(finite, mx::array(0), 0)).item<bool>());
      CHECK_FALSE(mx::any(mx::take(finite, mx::array(1), 0)).item<bool>());
    }
}

TEST_CASE("a bias is added once to every row") {
  const LinearWeight w = packed(75, 576, 64, 4);  // several runs of inputs
  const auto bias = noise({75}, 9);
  for (const int rows : kRowCounts) {
    CAPTURE(rows);
    const auto x = noise({rows, 576}, 3);
    CHECK(difference(linear(x, w, bias), linear(x, w) + bias) < 1e-4f);
    CHECK(difference(linear(x, {.data = dense(w)}, bias), linear(x, w) + bias) < 1e-3f);
  }
}

TEST_CASE("the error measure sees a wrong product") {
  const auto x = noise({2, 64}, 1), w = noise({3, 64}, 2);
  const auto y = mx::matmul(x, mx::transpose(w));
  CHECK(product_error(x, w, y) < kRounding);
  CHECK(product_error(x, w, y + mx::array(0.01f)) > 1e-5);
  CHECK(product_error(x, w, y / mx::array(0.0f)) == 1);
}

TEST_CASE("16-bit scales are widened exactly") {
  for (const auto dtype : {mx::bfloat16, mx::float16}) {
    const LinearWeight w = packed(40, 256, 64, 4, dtype);
    CHECK(error_of(w, 1) < kRounding);
    CHECK(error_of(w, 9) < kRounding);
  }
}

TEST_CASE("products beyond one block, panel and task are whole") {
  CHECK(error_of(packed(700, 1024, 64, 4), 130) < kRounding);
  CHECK(error_of(packed(3000, 128, 64, 4), 3) < kRounding);
  const int in = 1 << 16, rows = block_rows(1 << 20, in) + 5;  // two blocks of x
  CHECK(error_of({.data = noise({3, in}, 5)}, rows) < kRounding);
  const auto halves = [](int out, int width) {
    return LinearWeight{.data = noise({out, width}, 5, mx::bfloat16)};
  };
  CHECK(error_of(dense_many, halves(43, 40), 600) < kRounding);  // two blocks, rows shared out among threads
  CHECK(error_of(dense_many, halves(500, 300), 70) < kRounding);
}

TEST_CASE("leading axes, views and empty inputs keep their shape") {
  const LinearWeight w = packed(24, 64, 32, 4);
  const auto x = noise({64, 3, 2}, 1);
  const auto view = mx::transpose(x);  // [2, 3, 64], not contiguous
  const auto expected = mx::matmul(view, mx::transpose(dense(w)));
  const auto y = linear(view, w);
  CHECK(y.shape() == mx::Shape{2, 3, 24});
  CHECK(difference(y, expected) < 1e-4f);
  CHECK(linear(mx::zeros({0, 64}), w).shape() == mx::Shape{0, 24});
  CHECK_THROWS_AS(linear(mx::zeros({2, 32}), w), std::invalid_argument);
}

TEST_CASE("other types and modes go MLX's way and agree with it") {
  const auto x = noise({9, 64}, 1);
  const auto parts = mx::quantize(noise({32, 64}, 2), 32, 4, "mxfp4");
  const LinearWeight fp4{.data = parts[0], .scales = parts[1], .group_size = 32, .bits = 4, .mode = "mxfp4"};
  const auto weights =
      mx::dequantize(parts[0], parts[1], std::nullopt, 32, 4, "mxfp4", std::nullopt, mx::float32);
  CHECK(difference(linear(x, fp4), mx::matmul(x, mx::transpose(weights))) < 1e-3f);
  const LinearWeight w{.data = noise({32, 64}, 2, mx::bfloat16)};
  CHECK(linear(mx::astype(x, mx::bfloat16), w).dtype() == mx::bfloat16);
}

TEST_CASE("workspace is what the headers say") {
  CHECK(linear_workspace(1, {.data = noise({8, 64}, 1)}) == 0);
  CHECK(linear_workspace(3, packed(8, 64, 64, 4)) == few_rows_workspace(3, 64) * 4);
  const auto whole = packed(8, 64, 64, 4);
  const WeightView packed_view{.out = 8, .in = 64, .bits = 4, .group = 64};
  const bool tiles = takes_tile_packed(100, packed_view) || takes_vector_packed(100, packed_view);
  CHECK(linear_workspace(100, whole) ==
        (tiles ? tile_rows_workspace(100, 64) : many_rows_workspace(100, 64)) * 4);
  CHECK(many_rows_workspace(1 << 20, 1024) <= kBlockFloats);
}
