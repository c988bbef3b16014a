#include "kernels/depthwise.h"

#include <doctest/doctest.h>

#include <string>

#include "kernels/targets.h"

using namespace mlx_vision;
using namespace mlx_vision::kernels;

namespace {

mx::array noise(const mx::Shape& shape, int seed) {
  return mx::random::normal(shape, mx::float32, 0, 1, mx::random::key(std::uint64_t(seed)));
}

struct Case {
  int height, width, channels, parts, kernel;
  DepthwiseGeometry geometry;
};

}  // namespace

TEST_CASE("a convolution by channel equals MLX's, whatever the size, the stride and the zeros around it") {
  const Case cases[] = {
      {9, 13, 96, 1, 7, {1, {3, 3}, {3, 3}}},  {16, 16, 7, 1, 3, {2, {1, 1}, {1, 1}}},
      {5, 4, 67, 2, 7, {2, {3, 3}, {3, 3}}},   {3, 3, 19, 3, 5, {1, {2, 2}, {2, 2}}},
      {12, 11, 33, 1, 5, {2, {1, 2}, {2, 2}}}, {1, 1, 4, 1, 7, {1, {3, 3}, {3, 3}}},
  };
  test::for_each_target([&](const char* name) {
    CAPTURE(std::string(name));
    for (const Case& c : cases) {
      CAPTURE(c.channels);
      const int out = c.channels * c.parts;
      const auto x = noise({2, c.height, c.width, c.channels}, 1),
                 weight = noise({out, c.kernel, c.kernel, 1}, 2);
      const auto bias = noise({out}, 3);
      const auto& g = c.geometry;
      const auto expected = mx::conv_general(x, weight, {g.stride, g.stride}, {g.rows.first, g.columns.first},
                                             {g.rows.second, g.columns.second}, {1, 1}, {1, 1}, c.channels);
      const auto ours = depthwise_conv(x, weight, std::nullopt, g),
                 biased = depthwise_conv(x, weight, bias, g);
      REQUIRE(ours.shape() == expected.shape());
      CHECK(mx::max(mx::abs(ours - expected)).item<float>() < 1e-4f);
      CHECK(mx::max(mx::abs(biased - expected - bias)).item<float>() < 1e-4f);
    }
  });
}
