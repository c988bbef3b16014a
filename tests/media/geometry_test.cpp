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

TEST_CASE("letterbox keeps the aspect ratio, truncates and centres on black") {
  const auto white = [](int width, int height) {
    return Image::from_rgb(width, height, std::vector<std::uint8_t>(std::size_t(width * height) * 3, 255));
  };
  // (picture, canvas) -> the white rectangle
  const int cases[][8] = {{16, 9, 336, 336, 0, 73, 336, 189}, {9, 16, 336, 336, 73, 0, 189, 336},
                          {30, 1, 64, 48, 0, 23, 64, 2},      {1, 30, 64, 48, 31, 0, 1, 48},
                          {1, 1, 9, 6, 1, 0, 6, 6},           {900, 1, 20, 20, 0, 9, 20, 1},
                          {1, 900, 20, 20, 9, 0, 1, 20},      {4, 2, 8, 4, 0, 0, 8, 4}};
  for (const auto& [width, height, canvas_width, canvas_height, x, y, w, h] : cases) {
    CAPTURE(width);
    CAPTURE(height);
    const Image out = letterbox(white(width, height), canvas_width, canvas_height);
    CHECK(out.width() == canvas_width);
    CHECK(out.height() == canvas_height);
    const Image expected = paste_on(white(w, h), canvas_width, canvas_height, x, y, {0, 0, 0});
    CHECK(reds(out) == reds(expected));
  }
  CHECK_THROWS_AS(letterbox(white(2, 2), 0, 5), MediaError);
  CHECK_THROWS_AS(letterbox(white(2, 2), 1 << 30, 1 << 30), MediaError);
}

TEST_CASE("paste puts the picture on a coloured canvas") {
  CHECK(reds(paste_on(small(), 4, 3, 1, 0, {7, 0, 0})) ==
        std::vector<int>{7, 1, 2, 3, 7, 4, 5, 6, 7, 7, 7, 7});
  CHECK(reds(paste_on(small(), 2, 2, -1, 1, {0, 0, 0})) == std::vector<int>{0, 0, 2, 3});
  CHECK_THROWS_AS(paste_on(small(), 0, 2, 0, 0, {0, 0, 0}), MediaError);
  CHECK_THROWS_AS(paste_on(small(), 2147483647, 2, 0, 0, {0, 0, 0}), MediaError);
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

TEST_CASE("a table is inverted byte by byte, to the nearest value in between and at the ends") {
  const NormalizeTable rising({0.48, 0.45, 0.4}, {0.26, 0.26, 0.27}, RescaleOrder::hf_pil);
  const NormalizeTable falling({0.48, 0.45, 0.4}, {-0.26, -0.26, -0.27}, RescaleOrder::hf_pil);
  for (const NormalizeTable* table : {&rising, &falling}) {
    for (int v = 0; v < 256; ++v) CHECK(table->nearest(1, (*table)(1, std::uint8_t(v))) == v);
    const float step = (*table)(0, 101) - (*table)(0, 100);
    CHECK(table->nearest(0, (*table)(0, 100) + 0.4f * step) == 100);
    CHECK(table->nearest(0, (*table)(0, 100) + 0.6f * step) == 101);
    CHECK(table->nearest(0, (*table)(0, 255) + step) == 255);
    CHECK(table->nearest(0, (*table)(0, 0) - step) == 0);
  }
  const Image image = small();
  std::vector<float> planes(18);
  write_planes(image, rising, planes);
  CHECK(reds(read_planes(planes, 3, 2, rising)) == reds(image));
  CHECK_THROWS_AS(read_planes(planes, 3, 3, rising), MediaError);
  CHECK_THROWS_AS(read_planes(planes, -3, -2, rising), MediaError);
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
