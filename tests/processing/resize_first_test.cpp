#include "processing/resize_first.h"

#include <doctest/doctest.h>

#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/pattern.h"

namespace mlx_vision::processing {
namespace {

/// Tells the size of the picture that it is given.
class SizeTeller final : public ImageProcessor {
 public:
  PreparedSize plan(Size image, int) const override { return {.pixels = {image.height, image.width}}; }
  ImageInput prepare(const Image& image, int) const override {
    return {.arrays = {float_tensor("pixel_values", {image.height(), image.width()}, {})}};
  }
  std::vector<Tensor> batch(std::span<const ImageInput>) const override { return {}; }
  std::vector<View> views(const ImageInput&, Size image) const override {
    return {{.label = "whole picture",
             .image = test::pattern(image.width, image.height),
             .source = {0, 0, float(image.width), float(image.height)}}};
  }
  std::string_view placeholder() const override { return "<image>"; }
  std::string describe() const override { return "as it is"; }
};

using Shape = std::vector<std::int64_t>;

Shape planned(Size box, Size image) {
  return resize_first(std::make_unique<SizeTeller>(), box)->plan(image, 1).pixels;
}

}  // namespace

// Expected sizes: mlx_vlm.utils.resize_image, int(side * min(box / image)).
TEST_CASE("a picture is fitted into the box, larger or smaller, sides truncated") {
  CHECK(planned({224, 224}, {640, 480}) == Shape{168, 224});
  CHECK(planned({224, 224}, {480, 640}) == Shape{224, 168});
  CHECK(planned({224, 100}, {640, 480}) == Shape{100, 133});
  CHECK(planned({500, 500}, {50, 20}) == Shape{200, 500});
  CHECK(planned({100, 100}, {299, 300}) == Shape{100, 99});
}

TEST_CASE("planning and preparing agree") {
  const auto processor = resize_first(std::make_unique<SizeTeller>(), {32, 20});
  const Image image = test::pattern(61, 47);
  CHECK(processor->prepare(image, 1).array("pixel_values").shape == processor->plan({61, 47}, 1).pixels);
  CHECK(processor->describe() == "as it is");
}

TEST_CASE("a view's source is told in the pixels of the picture as it was given") {
  const auto processor = resize_first(std::make_unique<SizeTeller>(), {32, 20});
  const View view = processor->views(processor->prepare(test::pattern(61, 47), 1), {61, 47}).front();
  CHECK(view.image.width() == 25);
  CHECK(view.image.height() == 20);
  CHECK(view.source.right == doctest::Approx(61));
  CHECK(view.source.bottom == doctest::Approx(47));
}

TEST_CASE("a side that vanishes is refused, as is a box without pixels") {
  CHECK_THROWS_AS(planned({10, 10}, {1000, 20}), MediaError);
  CHECK_THROWS_AS(planned({0, 10}, {10, 10}), RequestError);
  CHECK_THROWS_AS(planned({10, 70'000}, {10, 10}), RequestError);
}

}  // namespace mlx_vision::processing
