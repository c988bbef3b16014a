#include "backbones/image_towers.h"

#include <doctest/doctest.h>

#include <vector>

namespace mx = mlx::core;
using mlx_vision::backbones::bucket_positions;

namespace {

std::vector<int> positions(int rows, int columns, int side) {
  auto ids = bucket_positions(rows, columns, side);
  mx::eval(ids);
  return {ids.data<int>(), ids.data<int>() + ids.size()};
}

}  // namespace

TEST_CASE("a whole tile has every row of the position table once, in order") {
  for (int side = 1; side <= 64; ++side) {
    const auto ids = positions(side, side, side);
    for (int i = 0; i < side * side; ++i) CHECK(ids[i] == i);
  }
}

TEST_CASE("a smaller picture is spread over the whole table") {
  CHECK(positions(1, 2, 4) == std::vector<int>{0, 2});
  CHECK(positions(2, 1, 4) == std::vector<int>{0, 8});
  CHECK(positions(1, 3, 4) == std::vector<int>{0, 1, 2});
}

TEST_CASE("a table of positions is resized as torch does it with antialiasing") {
  // torch.nn.functional.interpolate(arange(9).reshape(1, 1, 3, 3), size, mode="bilinear", antialias=True)
  const auto table = mx::reshape(mx::arange(0, 9, mx::float32), {9, 1});
  const auto resized = [&](int rows, int columns) {
    auto out = mlx_vision::backbones::resized_positions(table, rows, columns);
    mx::eval(out);
    return std::vector<float>(out.data<float>(), out.data<float>() + out.size());
  };
  CHECK(resized(3, 3) == std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8});
  const auto close = [](const std::vector<float>& a, const std::vector<float>& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]));
  };
  close(resized(2, 2), {1.5f, 2.75f, 5.25f, 6.5f});
  close(resized(1, 4), {3, 3.625f, 4.375f, 5});
}
