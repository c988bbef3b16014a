#include "media/framing.h"

#include <doctest/doctest.h>

namespace mlx_vision::media {
namespace {

/// Each pixel's red is its place.
Image numbered(int width, int height) {
  std::vector<std::uint8_t> rgb(std::size_t(3 * width * height));
  for (int i = 0; i < width * height; ++i) rgb[std::size_t(3 * i)] = std::uint8_t(i + 1);
  return Image::from_rgb(width, height, std::move(rgb));
}

std::vector<int> reds(const Image& image) {
  std::vector<int> out;
  for (std::size_t i = 0; i < image.pixels().size(); i += 3) out.push_back(image.pixels()[i]);
  return out;
}

TEST_CASE("a centre crop rounds to the left upper corner, inside and outside") {
  CHECK(reds(centre_crop(numbered(4, 1), 1, 1)) == std::vector<int>{2});
  CHECK(reds(centre_crop(numbered(1, 1), 2, 1)) == std::vector<int>{0, 1});
  CHECK(reds(centre_crop(numbered(1, 1), 4, 1)) == std::vector<int>{0, 0, 1, 0});
}

TEST_CASE("padding puts the odd pixel at the right and the bottom") {
  CHECK(reds(pad_to_square(numbered(2, 1), {9, 9, 9})) == std::vector<int>{1, 2, 9, 9});
  CHECK(reds(pad_to_square(numbered(1, 3), {9, 9, 9})) == std::vector<int>{9, 1, 9, 9, 2, 9, 9, 3, 9});
  CHECK(reds(pad_around(numbered(1, 1), 4, 1, {0, 0, 0})) == std::vector<int>{0, 1, 0, 0});
  CHECK(reds(pad_right_bottom(numbered(1, 1), 2, 2, {7, 7, 7})) == std::vector<int>{1, 7, 7, 7});
}

TEST_CASE("fitting rounds the side and the offset half to even, as Pillow") {
  // 5 x 2 into 5 x 5: offset 1.5 becomes 2.
  CHECK(reds(fitted_and_padded(numbered(5, 2), 5, 5, Filter::bicubic, {0, 0, 0}))[10] == 1);
  CHECK(reds(fitted_and_padded(numbered(8, 1), 4, 1, Filter::nearest, {5, 5, 5})).size() == 4);
  // A height of 0.5 is 0.
  CHECK(reds(fitted_and_padded(numbered(8, 1), 4, 4, Filter::nearest, {5, 5, 5})) == std::vector<int>(16, 5));
}

TEST_CASE("tiles row by row, smaller at the edges") {
  const auto tiles = cut_tiles(numbered(3, 2), 2, 1);
  REQUIRE(tiles.size() == 4);
  CHECK(reds(tiles[0]) == std::vector<int>{1, 2});
  CHECK(reds(tiles[1]) == std::vector<int>{3});
  CHECK(reds(tiles[3]) == std::vector<int>{6});
}

}  // namespace
}  // namespace mlx_vision::media
