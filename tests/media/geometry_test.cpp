#include "media/geometry.h"

#include <doctest/doctest.h>

#include "media/normalize.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using namespace mlx_vision::media;

namespace {

/// 3 x 2 pixels of gray 1 to 6.
Image small() {
  std::vector<std::uint8_t> rgb;
  for (std::uint8_t v = 1; v <= 6; ++v) rgb.insert(rgb.end(), 3, v);
  return Image::from_rgb(3, 2, std::move(rgb));
}

std::vector<int> reds(const Image& image) {
  std::vector<int> values;
  for (std::size_t i = 0; i < image.pixels().size(); i += 3) values.push_back(image.pixels()[i]);
  return values;
}

}  // namespace

TEST_CASE("crop takes a part and fills what lies outside") {
  CHECK(reds(crop(small(), 1, 0, 2, 1)) == std::vector<int>{2, 3});
  CHECK(reds(crop(small(), -1, 1, 3, 2, {9, 8, 7})) == std::vector<int>{9, 4, 5, 9, 9, 9});
  CHECK(reds(crop(small(), 5, 5, 1, 1)) == std::vector<int>{0});
  CHECK_THROWS_AS(crop(small(), 0, 0, 0, 1), MediaError);
  CHECK_THROWS_AS(crop(small(), 0, 0, 1 << 30, 1 << 30), MediaError);
  CHECK_THROWS_AS(crop(small(), -2147483647 - 1, 0, 1, 1), MediaError);
}

TEST_CASE("pad and paste put the picture on a coloured canvas") {
  CHECK(reds(pad(small(), {.left = 1, .bottom = 1}, {7, 0, 0})) ==
        std::vector<int>{7, 1, 2, 3, 7, 4, 5, 6, 7, 7, 7, 7});
  CHECK(reds(paste_on(small(), 2, 2, -1, 1, {0, 0, 0})) == std::vector<int>{0, 0, 2, 3});
  CHECK_THROWS_AS(pad(small(), {.left = -1}, {0, 0, 0}), MediaError);
  CHECK_THROWS_AS(pad(small(), {.right = 2147483647}, {0, 0, 0}), MediaError);
}

TEST_CASE("each order of operations rounds in its own way") {
  const NormalizeTable::Channels mean{0.48145466, 0.4578275, 0.40821073},
      std{0.26862954, 0.26130258, 0.27577711};
  const float m = float(mean[0]), s = float(std[0]);
  const NormalizeTable pil(mean, std, RescaleOrder::hf_pil), multiply(mean, std, RescaleOrder::f32_multiply),
      divide(mean, std, RescaleOrder::f32_divide), wide(mean, std, RescaleOrder::f64),
      mixed(mean, std, RescaleOrder::f32_then_f64), fused(mean, std, RescaleOrder::fused);
  int pil_differs = 0;
  for (int v = 0; v < 256; ++v) {
    const auto byte = std::uint8_t(v);
    CHECK(pil(0, byte) == (float(v * (1.0 / 255.0)) - m) / s);
    CHECK(multiply(0, byte) == (float(v) * float(1.0 / 255.0) - m) / s);
    CHECK(divide(0, byte) == (float(v) / 255.0f - m) / s);
    CHECK(wide(0, byte) == float((v * (1.0 / 255.0) - mean[0]) / std[0]));
    CHECK(mixed(0, byte) == float((double(float(v) / 255.0f) - mean[0]) / std[0]));
    CHECK(fused(0, byte) == (float(v) - m * 255.0f) / (s * 255.0f));
    pil_differs += pil(0, byte) != multiply(0, byte);
  }
  CHECK(pil_differs > 0);
  CHECK(NormalizeTable::rescale_only(RescaleOrder::f32_divide)(2, 51) == 51.0f / 255.0f);
}

TEST_CASE("planes and interleaved floats") {
  const Image image = Image::from_rgb(2, 1, {0, 51, 102, 153, 204, 255});
  const NormalizeTable table = NormalizeTable::rescale_only(RescaleOrder::f32_divide);
  std::vector<float> planes(6), interleaved(6), wrong(5);
  write_planes(image, table, planes);
  write_interleaved(image, table, interleaved);
  CHECK(planes == std::vector<float>{0.0f, 0.6f, 0.2f, 0.8f, 0.4f, 1.0f});
  CHECK(interleaved == std::vector<float>{0.0f, 0.2f, 0.4f, 0.6f, 0.8f, 1.0f});
  CHECK_THROWS_AS(write_planes(image, table, wrong), MediaError);
}
