#include "processing/resize_rules.h"

#include <doctest/doctest.h>

#include "mlx_vision/error.h"

namespace mlx_vision::processing {
namespace {

constexpr PixelBudget kWide{1, 1'000'000'000};

TEST_CASE("smart_resize rounds halves to even") {
  CHECK(smart_resize({42, 70}, 28, kWide) == Size{56, 56});     // 1.5 and 2.5 both become 2
  CHECK(smart_resize({98, 126}, 28, kWide) == Size{112, 112});  // 3.5 and 4.5 both become 4
  CHECK(smart_resize({41, 43}, 28, kWide) == Size{28, 56});
  CHECK(smart_resize({28, 56}, 28, kWide) == Size{28, 56});
}

TEST_CASE("smart_resize keeps the area within the budget") {
  CHECK(smart_resize({1920, 1080}, 28, {3136, 1'003'520}) == Size{1316, 728});
  CHECK(smart_resize({10, 10}, 28, {3136, 1'003'520}) == Size{56, 56});
  CHECK(smart_resize({1, 1}, 28, kWide) == Size{28, 28});  // rounds to nothing, below any minimum
  const Size thin = smart_resize({2000, 10}, 28, {3136, 50'176});
  CHECK(thin.height == 28);
  CHECK(thin.width % 28 == 0);
}

TEST_CASE("smart_resize refuses extreme shapes") {
  CHECK(smart_resize({200, 1}, 28, kWide).height == 28);
  CHECK_THROWS_AS(smart_resize({201, 1}, 28, kWide), MediaError);
  CHECK_THROWS_AS(smart_resize({1, 60'000}, 28, kWide), MediaError);
}

TEST_CASE("fit_shortest_edge truncates the long side") {
  CHECK(fit_shortest_edge({640, 480}, 336) == Size{448, 336});
  CHECK(fit_shortest_edge({480, 641}, 336) == Size{336, 448});
  CHECK(fit_shortest_edge({100, 100}, 7) == Size{7, 7});
  CHECK_THROWS_AS(fit_shortest_edge({65'535, 1}, 1 << 20), MediaError);
}

TEST_CASE("Idefics3's sizes: long side fixed, other side even, then whole tiles") {
  CHECK(fit_longest_edge_even({1000, 500}, 1456) == Size{1456, 728});
  CHECK(fit_longest_edge_even({1000, 501}, 1456) == Size{1456, 730});  // 729.456 → 729 → 730
  CHECK(fit_longest_edge_even({1, 3000}, 1456) == Size{1, 1456});
  CHECK(fit_longest_edge_even({4, 1}, 4200) == Size{4096, 1024});
  CHECK(ceil_to_tiles({1456, 730}, 364) == Size{1456, 1092});
  CHECK(ceil_to_tiles({1, 1456}, 364) == Size{364, 1456});
}

TEST_CASE("a picture of one tile is not split") {
  CHECK(tile_grid({364, 364}, 364) == Grid{0, 0});
  CHECK(tile_grid({728, 364}, 364) == Grid{1, 2});
  CHECK(tile_grid({1456, 1092}, 364) == Grid{3, 4});
}

}  // namespace
}  // namespace mlx_vision::processing
