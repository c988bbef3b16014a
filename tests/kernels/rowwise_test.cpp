#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "kernels/activation.h"
#include "kernels/norm.h"
#include "kernels/rotate.h"
#include "kernels/targets.h"

using namespace mlx_vision;
using namespace mlx_vision::kernels;

namespace {

mx::array noise(const mx::Shape& shape, int seed, float scale = 1) {
  return mx::random::normal(shape, mx::float32, 0, scale, mx::random::key(std::uint64_t(seed)));
}

float difference(const mx::array& a, const mx::array& b) { return mx::max(mx::abs(a - b)).item<float>(); }

double expected(Activation kind, double x) {
  switch (kind) {
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::quick_gelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
    case Activation::gelu:
      break;
  }
  return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

constexpr Activation kKinds[] = {Activation::gelu, Activation::gelu_tanh, Activation::quick_gelu,
                                 Activation::silu};

}  // namespace

TEST_CASE("activations equal their formulas in double precision over the whole range") {
  test::for_each_target([](const char* name) {
    CAPTURE(std::string(name));
    // Odd, so that every vector width leaves a rest; from -200 to 200, dense about zero.
    const auto x = mx::concatenate({mx::linspace(-200, 200, 501), mx::linspace(-6, 6, 40002)});
    const auto factor = noise(x.shape(), 1);
    for (const Activation kind : kKinds) {
      const auto y = activate(kind, x), product = activate(kind, x, factor);
      mx::eval(x, y, product, factor);
      double worst = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double value = double(x.data<float>()[i]);
        worst = std::max(worst, std::fabs(double(y.data<float>()[i]) - expected(kind, value)) /
                                    std::max(1.0, std::fabs(value)));
      }
      CHECK(worst < 5e-7);
      CHECK(difference(product, y * factor) < 1e-5f);
    }
  });
}

TEST_CASE("other types go MLX's way and keep their type") {
  for (const auto dtype : {mx::float16, mx::bfloat16}) {
    const auto x = mx::astype(noise({3, 20}, 1), dtype);
    for (const Activation kind : kKinds) {
      CHECK(activate(kind, x, x).dtype() == dtype);
      CHECK(difference(activate(kind, x), activate(kind, mx::astype(x, mx::float32))) < 0.03f);
    }
    CHECK(rms_norm(x, mx::ones({20}, dtype), 1e-6f).dtype() == dtype);
    const auto heads = mx::reshape(x, {1, 1, 3, 20}), table = mx::ones({3, 20}, dtype);
    CHECK(rotate_half_pairs(heads, table, table).dtype() == dtype);
  }
}

TEST_CASE("norms equal MLX's for any width, also where values are large against their spread") {
  test::for_each_target([](const char* name) {
    CAPTURE(std::string(name));
    for (const int width : {1, 7, 64, 1283}) {
      CAPTURE(width);
      const auto x = noise({3, 5, width}, 1, 3) + mx::array(20.0f), weight = noise({width}, 2),
                 bias = noise({width}, 3);
      CHECK(difference(rms_norm(x, weight, 1e-6f), mx::fast::rms_norm(x, weight, 1e-6f)) < 2e-5f);
      CHECK(difference(layer_norm(x, weight, bias, 1e-5f), mx::fast::layer_norm(x, weight, bias, 1e-5f)) <
            5e-5f);
    }
  });
}

TEST_CASE("rotation equals its formula for views, batches and either form of table") {
  test::for_each_target([](const char* name) {
    CAPTURE(std::string(name));
    for (const int d : {2, 10, 80, 128}) {
      CAPTURE(d);
      const auto x = mx::transpose(noise({2, 9, 3, d}, 1), {0, 2, 1, 3});  // [2, 3, 9, d], a view
      const auto rotated = mx::concatenate({mx::negative(mx::slice(x, {0, 0, 0, d / 2}, {2, 3, 9, d})),
                                            mx::slice(x, {0, 0, 0, 0}, {2, 3, 9, d / 2})},
                                           -1);
      for (const mx::Shape& shape : {mx::Shape{9, d}, mx::Shape{1, 1, 9, d}, mx::Shape{2, 1, 9, d}}) {
        const auto cos = noise(shape, 2), sin = noise(shape, 3);
        CHECK(difference(rotate_half_pairs(x, cos, sin), x * cos + rotated * sin) < 1e-5f);
      }
    }
  });
}

TEST_CASE("an input that is used again is not overwritten") {
  const auto x = noise({4, 64}, 1), copy = x + mx::array(0.0f);
  mx::eval(x, copy);
  mx::eval(activate(Activation::silu, x), rms_norm(x, mx::ones({64}), 1e-6f));
  CHECK(mx::array_equal(x, copy).item<bool>());
}
