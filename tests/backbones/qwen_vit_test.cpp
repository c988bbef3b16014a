#include "backbones/qwen_vit.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace mlx_vision::backbones;

namespace {

QwenVitSpec spec_with_window(int pixels) {
  QwenVitSpec spec;
  spec.window = pixels;
  return spec;
}

}  // namespace

TEST_CASE("windows cover every merged patch once, whole windows before the smaller ones at the edges") {
  const auto spec = spec_with_window(56);  // 2 × 2 merged patches
  for (const PatchGrid grid : {PatchGrid{1, 4, 4}, PatchGrid{1, 6, 10}, PatchGrid{2, 2, 6}}) {
    const auto plan = window_order(grid, spec);
    auto sorted = plan.order;
    std::sort(sorted.begin(), sorted.end());
    for (int i = 0; i < int(sorted.size()); ++i) CHECK(sorted[i] == i);
    CHECK(int(sorted.size()) == grid.frames * grid.rows * grid.columns / 4);
    CHECK(plan.ends.back() == grid.frames * grid.rows * grid.columns);
  }
  // 3 × 5 merged patches: windows of 4, 4 and 2 in the first row, of 2, 2 and 1 in the second.
  CHECK(window_order({1, 6, 10}, spec).ends == std::vector<int>{16, 32, 40, 48, 56, 60});
  CHECK(window_order({1, 6, 10}, spec).order == std::vector<int>{0, 1, 5, 6, 2, 3, 7, 8, 4, 9, 10, 11, 12, 13, 14});
}
