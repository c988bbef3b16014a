#include "processing/tile_grids.h"

#include <doctest/doctest.h>

#include <array>

namespace mlx_vision::processing {
namespace {

constexpr Size kTile{448, 448};

TEST_CASE("the grid with the nearest aspect ratio") {
  CHECK(nearest_ratio_grid({1344, 448}, kTile, {1, 12}, GridTie::more_tiles) == Grid{1, 3});
  CHECK(nearest_ratio_grid({448, 1344}, kTile, {1, 12}, GridTie::more_tiles) == Grid{3, 1});
  CHECK(nearest_ratio_grid({100, 30'000}, kTile, {1, 12}, GridTie::more_tiles) == Grid{12, 1});
}

TEST_CASE("two grids of one ratio: more tiles, or the area that is nearer") {
  // 1x1, 2x2 and 3x3 suit a square.
  const Size small{448, 448}, middle{700, 700}, large{2000, 2000};
  CHECK(nearest_ratio_grid(small, kTile, {1, 12}, GridTie::more_tiles) == Grid{1, 1});
  CHECK(nearest_ratio_grid(middle, kTile, {1, 12}, GridTie::more_tiles) == Grid{2, 2});
  CHECK(nearest_ratio_grid(large, kTile, {1, 12}, GridTie::more_tiles) == Grid{3, 3});
  CHECK(nearest_ratio_grid({600, 600}, kTile, {1, 12}, GridTie::nearest_area) == Grid{1, 1});
  CHECK(nearest_ratio_grid(large, kTile, {1, 12}, GridTie::nearest_area) == Grid{3, 3});
}

TEST_CASE("a smallest number of tiles") {
  CHECK(nearest_ratio_grid({448, 448}, kTile, {2, 10}, GridTie::more_tiles) == Grid{2, 2});
  CHECK(nearest_ratio_grid({448, 448}, kTile, {3, 3}, GridTie::more_tiles) == Grid{3, 1});
}

TEST_CASE("the grid that enlarges least") {
  CHECK(least_upscale_grid({512, 512}, 512, 12) == Grid{1, 1});
  CHECK(least_upscale_grid({1000, 500}, 512, 12) == Grid{1, 2});
  CHECK(least_upscale_grid({10'000, 10'000}, 512, 12) == Grid{3, 3});
}

TEST_CASE("Llama's canvases and their numbers") {
  CHECK(least_upscale_canvas({224, 224}, 224, 4) == Grid{1, 1});
  CHECK(least_upscale_canvas({448, 224}, 224, 4) == Grid{1, 2});
  CHECK(least_upscale_canvas({224, 800}, 224, 4) == Grid{4, 1});
  CHECK(least_upscale_canvas({5000, 5000}, 224, 4) == Grid{2, 2});
  // 1x1, 1x2, 1x3, 1x4, 2x1, 2x2, 3x1, 4x1, rows first.
  CHECK(canvas_id({1, 1}, 4) == 1);
  CHECK(canvas_id({1, 4}, 4) == 4);
  CHECK(canvas_id({2, 1}, 4) == 5);
  CHECK(canvas_id({4, 1}, 4) == 8);
}

TEST_CASE("the resolution that keeps most pixels, then wastes least") {
  constexpr std::array kSizes = {Size{672, 336}, Size{336, 672}, Size{672, 672}};
  CHECK(best_resolution({1000, 500}, kSizes) == Size{672, 336});
  CHECK(best_resolution({500, 1000}, kSizes) == Size{336, 672});
  CHECK(best_resolution({1000, 1000}, kSizes) == Size{672, 672});
  CHECK(best_resolution({100, 100}, kSizes) == Size{672, 336});   // all keep it whole
  CHECK(best_resolution({1, 60'000}, kSizes) == Size{672, 336});  // none keeps a pixel
}

}  // namespace
}  // namespace mlx_vision::processing
