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
