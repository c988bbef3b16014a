#include "processing/views.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "media/geometry.h"
#include "mlx_vision/error.h"
#include "processing/fixed_square.h"
#include "processing/pattern.h"
#include "processing/qwen_patches.h"
#include "processing/tiled_longest_edge.h"

namespace mlx_vision::processing {
namespace {

ProcessorFiles files(const std::string& image_processor, const std::string& config = "{}") {
  return {.config = core::ConfigReader::from_text(config, "config.json"),
          .image_processor = core::ConfigReader::from_text(image_processor, "preprocessor_config.json"),
          .processor = core::ConfigReader::empty("processor_config.json")};
}

std::vector<View> views_of(const ImageProcessor& processor, const Image& image) {
  return processor.views(processor.prepare(image, 1), {image.width(), image.height()});
}

bool same(const Image& a, const Image& b) {
  return a.width() == b.width() && a.height() == b.height() && std::ranges::equal(a.pixels(), b.pixels());
}

void check_box(const Box& box, float left, float top, float right, float bottom) {
  CHECK(box.left == doctest::Approx(left).epsilon(0.001));
  CHECK(box.top == doctest::Approx(top).epsilon(0.001));
  CHECK(box.right == doctest::Approx(right).epsilon(0.001));
  CHECK(box.bottom == doctest::Approx(bottom).epsilon(0.001));
}

void check_cells(const Cells& cells, int side, int columns, int rows) {
  CHECK(cells.width == side);
  CHECK(cells.height == side);
  CHECK(cells.columns == columns);
  CHECK(cells.rows == rows);
}

TEST_CASE("merged patches give back the resized picture, bit by bit") {
  const auto processor = make_qwen_patches(files("{}"), {});
  const Image image = test::pattern(150, 61);
  const auto views = views_of(*processor, image);
  REQUIRE(views.size() == 1);
  CHECK(same(views[0].image, image.resized(140, 56, Filter::bicubic)));
  check_box(views[0].source, 0, 0, 150, 61);
  check_cells(views[0].patches, 14, 10, 4);
  check_cells(views[0].tokens, 28, 5, 2);
  CHECK(views[0].token_count == 10);
}

TEST_CASE("a centre crop shows which part of the original is left") {
  const auto processor = make_fixed_square(
      files(R"({"image_processor_type": "CLIPImageProcessor", "size": 56, "crop_size": 56})"), {});
  const Image image = test::pattern(200, 100);
  const View view = views_of(*processor, image).at(0);
  CHECK(same(view.image, media::crop(image.resized(112, 56, Filter::bicubic), 28, 0, 56, 56)));
  check_box(view.source, 50, 0, 150, 100);
  check_cells(view.patches, 14, 4, 4);
  CHECK(view.token_count == 16);
}

TEST_CASE("padding lies outside of the original, and a crop larger than the picture as well") {
  const auto padded = make_fixed_square(
      files(
          R"({"image_processor_type": "LlavaImageProcessor", "do_pad": true, "size": 56, "crop_size": 56})"),
      {});
  check_box(views_of(*padded, test::pattern(200, 100)).at(0).source, 0, -50, 200, 150);
  const auto larger = make_fixed_square(
      files(R"({"image_processor_type": "CLIPImageProcessor", "size": 28, "crop_size": 56})"), {});
  check_box(views_of(*larger, test::pattern(50, 50)).at(0).source, -25, -25, 75, 75);
}

TEST_CASE("patches that do not fill the picture leave its edge unseen") {
  const auto processor = make_fixed_square(
      files(R"({"image_processor_type": "SiglipImageProcessor", "size": {"height": 40, "width": 50}})",
            R"({"vision_config": {"model_type": "siglip_vision_model", "patch_size": 14},
                "vision_feature_select_strategy": "full"})"),
      {});
  const View view = views_of(*processor, test::pattern(50, 40)).at(0);
  check_cells(view.patches, 14, 3, 2);
  CHECK(view.token_count == 6);
}

TEST_CASE("tiles cover the original in rows, the squashed whole comes last") {
  const auto processor = make_tiled_longest_edge(
      files(R"({"size": {"longest_edge": 168}, "max_image_size": {"longest_edge": 56}})",
            R"({"vision_config": {"patch_size": 14}})"),
      {});
  const Image image = test::pattern(300, 200);
  const auto views = views_of(*processor, image);
  REQUIRE(views.size() == 3 * 2 + 1);
  const Image whole = image.resized(168, 112, Filter::lanczos);
  for (int i = 0; i < 6; ++i) {
    const View& view = views[std::size_t(i)];
    CHECK(view.row == i / 3);
    CHECK(view.column == i % 3);
    CHECK(same(view.image, media::crop(whole, i % 3 * 56, i / 3 * 56, 56, 56)));
    check_box(view.source, float(i % 3 * 100), float(i / 3 * 100), float(i % 3 * 100 + 100),
              float(i / 3 * 100 + 100));
    check_cells(view.patches, 14, 4, 4);
  }
  CHECK(views[6].row == -1);
  CHECK(same(views[6].image, whole.resized(56, 56, Filter::lanczos)));
  check_box(views[6].source, 0, 0, 300, 200);
}

TEST_CASE("tokens fill a square view only as a square number") {
  check_cells(square_lattice({364, 364}, 169), 28, 13, 13);
  CHECK(square_lattice({364, 364}, 170).columns == 0);
  CHECK(square_lattice({365, 365}, 169).columns == 0);
  CHECK(square_cells({100, 50}, 0).columns == 0);
}

TEST_CASE("without any file the reference classes' defaults hold") {
  const auto none = default_processor_files("llava");
  CHECK(none.config.get<std::string>("model_type") == "llava");
  const auto view = views_of(*make_fixed_square(none, {}), test::pattern(300, 300)).at(0);
  CHECK(view.image.width() == 224);
  CHECK(view.token_count == 256);
  const auto config = files("{}", R"({"vision_config": {}})");
  CHECK_THROWS_AS(make_fixed_square(config, {}), ConfigError);
}

}  // namespace
}  // namespace mlx_vision::processing
