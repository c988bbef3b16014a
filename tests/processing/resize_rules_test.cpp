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

TEST_CASE("smart_resize's relatives: frames, any shape, enlarging first") {
  CHECK(smart_resize({280, 280}, 28, {1, 100'000}, {2, 2}) ==
        Size{196, 196});  // 2 * 280 * 280 is over the budget
  CHECK(smart_resize_any_shape({3000, 1}, 32, {1024, 1'000'000}) == Size{3008, 32});
  CHECK(enlarged_to_factor({14, 100}, 28) == Size{28, 200});
  CHECK(enlarged_to_factor({28, 29}, 28) == Size{28, 29});
  CHECK(sides_raised_to_factor({14, 7}, 28) == Size{56, 28});
  CHECK(sides_raised_to_factor({7, 100}, 28) == Size{28, 400});
}

TEST_CASE("fitting into boxes, edges and canvases") {
  CHECK(fit_into({1000, 501}, {672, 672}) == Size{672, 337});  // rounded up
  CHECK(fit_into({1, 1000}, {672, 336}) == Size{1, 336});
  CHECK(fit_longest_edge({1000, 501}, 384, 14) == Size{384, 192});
  CHECK(fit_longest_edge({1000, 5}, 384, 14) == Size{384, 14});
  CHECK(fit_longest_edge_truncated({1000, 502}, 384, 14) == Size{384, 192});  // 192.77
  CHECK(fit_between_edges({2000, 1000}, 378, 980) == Size{980, 490});
  CHECK(fit_between_edges({3000, 100}, 378, 980) == Size{980, 378});
  CHECK(fit_between_edges({100, 100}, 378, 980) == Size{378, 378});
  CHECK(fit_canvas({100, 50}, {224, 224}, 224) == Size{224, 112});
  CHECK(fit_canvas({3000, 2}, {896, 224}, 224) == Size{896, 1});
}

TEST_CASE("fitting into a number of patches") {
  CHECK(fit_whole_patches({100, 50}, {1024, 1024}, {16, 16}) == Size{112, 64});
  CHECK(fit_whole_patches({2048, 1000}, {1024, 1024}, {16, 16}) == Size{1024, 512});
  CHECK_THROWS_AS(fit_whole_patches({2000, 1}, {1024, 1024}, {16, 16}), MediaError);  // 0 patches high
  CHECK(fit_patch_count({100, 100}, 14, 49) == Size{100, 100});
  CHECK(fit_patch_count({280, 280}, 14, 100) == Size{140, 140});
  CHECK_THROWS_AS(fit_patch_count({60'000, 14}, 14, 1), MediaError);
  CHECK(fill_patch_count({512, 512}, 16, 256) == Size{256, 256});
  CHECK(fill_patch_count({60'000, 1}, 16, 256) == Size{4096, 16});
  CHECK(fill_pooled_patches({1000, 1000}, 16, 3, 2520) == Size{768, 768});
  CHECK(fill_pooled_patches({1, 5000}, 16, 3, 2520) == Size{48, 13'440});
  CHECK_THROWS_AS(fill_pooled_patches({10, 10}, 16, 3, 1), MediaError);
  CHECK(hd_canvas({1000, 1000}, 336, 4) == Size{672, 672});
  CHECK(hd_canvas({2000, 1000}, 336, 4) == Size{672, 336});
  CHECK(hd_canvas({500, 1000}, 336, 4) == Size{336, 672});
  CHECK_THROWS_AS(hd_canvas({60'000, 1}, 336, 4), MediaError);
}

}  // namespace
}  // namespace mlx_vision::processing
