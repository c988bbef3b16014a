#include "processing/views.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "media/geometry.h"
#include "mlx_vision/error.h"
#include "processing/fixed_square.h"
#include "processing/image_processors.h"
#include "processing/masked_images.h"
#include "processing/pattern.h"
#include "processing/qwen_patches.h"
#include "processing/tiled_longest_edge.h"

namespace mlx_vision::processing {
namespace {

ProcessorFiles files(const std::string& image_processor, const std::string& config = "{}") {
  return {.config = core::ConfigReader::from_text(config, "config.json"),
          .image_processor = core::ConfigReader::from_text(image_processor, "preprocessor_config.json"),
          .processor = core::ConfigReader::empty("processor_config.json"),
          .video_processor = core::ConfigReader::empty("video_preprocessor_config.json")};
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

/// Red says how far right a pixel is, green how far down.
Image ramps(Size size) {
  std::vector<std::uint8_t> rgb;
  for (int y = 0; y < size.height; ++y)
    for (int x = 0; x < size.width; ++x)
      rgb.insert(rgb.end(), {std::uint8_t(256 * x / size.width), std::uint8_t(256 * y / size.height), 128});
  return Image::from_rgb(size.width, size.height, std::move(rgb));
}

/// The largest difference, in bytes, between a view of ramps and what its source says that it shows.
double largest_error(const View& view, Size original) {
  constexpr int kEdge = 4;  // pixels beside padding, which filters mix with it
  const double across = (view.source.right - view.source.left) / view.image.width(),
               down = (view.source.bottom - view.source.top) / view.image.height();
  const auto inside = [](double at, double step, int side) {
    return at > kEdge * step && at < side - kEdge * step && at > kEdge && at < side - kEdge;
  };
  double worst = 0;
  for (int v = 0; v < view.image.height(); ++v)
    for (int u = 0; u < view.image.width(); ++u) {
      const double x = view.source.left + (u + 0.5) * across, y = view.source.top + (v + 0.5) * down;
      if (!inside(x, across, original.width) || !inside(y, down, original.height)) continue;
      const std::uint8_t* pixel = view.image.row(v) + 3 * std::size_t(u);
      worst = std::max({worst, std::abs(256 * x / original.width - 0.5 - pixel[0]),
                        std::abs(256 * y / original.height - 0.5 - pixel[1]), std::abs(128.0 - pixel[2])});
    }
  return worst;
}

double area_within(const Box& box, Size size) {
  return std::max(0.0f, std::min(box.right, float(size.width)) - std::max(box.left, 0.0f)) *
         double(std::max(0.0f, std::min(box.bottom, float(size.height)) - std::max(box.top, 0.0f)));
}

constexpr Size kSizes[] = {{640, 480}, {97, 113}, {1000, 300}, {310, 1200}};

TEST_CASE("every view of every family shows what its source says") {
  for (const FamilyImages& family : image_processors())
    for (const Size size : kSizes) {
      CAPTURE(family.model_type);
      CAPTURE(size.width);
      const auto processor = family.make(default_processor_files(family.model_type), {});
      double tiles = 0;
      for (const View& view : views_of(*processor, ramps(size))) {
        CAPTURE(view.label);
        REQUIRE(view.source.left < view.source.right);
        REQUIRE(view.source.top < view.source.bottom);
        // A byte of the ramp, one of rounding, and the pixels that rounded sizes shift.
        CHECK(largest_error(view, size) < 2 + 256.0 / std::min(size.width, size.height));
        if (view.row >= 0) tiles += area_within(view.source, size);
        if (view.row < 0 && view.label == "whole picture")
          CHECK(area_within(view.source, size) > 0.8 * size.width * size.height);
        for (const Cells& cells : {view.patches, view.tokens}) {
          CHECK(cells.columns * cells.width <= view.image.width());
          CHECK(cells.rows * cells.height <= view.image.height());
        }
      }
      // llava_next's class defaults cut canvases of 336 into tiles of 224 and crop what is left over to
      // squares.
      const bool crops_tiles = family.model_type == "llava_next";
      if (tiles > 0 && !crops_tiles)
        CHECK(tiles == doctest::Approx(double(size.width) * size.height).epsilon(0.001));
    }
}

int rows_of_tiles(const std::vector<View>& views) {
  int rows = 0;
  for (const View& view : views) rows = std::max(rows, view.row + 1);
  return rows;
}

/// Rows of the language model that belong to no view.
int separators(std::string_view type, const std::vector<View>& views) {
  if (type == "mllama") return 1;  // cross-attention reads the views
  if (type == "hunyuan_vl") return views[0].tokens.rows + 2;
  if (type == "phi3_v") return 12 * (rows_of_tiles(views) + 1) + 1;
  if (type == "deepseek_vl_v2") return 14 * (rows_of_tiles(views) + 1) + 1;
  return 0;
}

TEST_CASE("the views' tokens and the separators are the picture's tokens") {
  for (const FamilyImages& family : image_processors())
    for (const Size size : kSizes) {
      CAPTURE(family.model_type);
      CAPTURE(size.width);
      const auto processor = family.make(default_processor_files(family.model_type), {});
      const ImageInput input = processor->prepare(ramps(size), 1);
      const auto views = processor->views(input, size);
      int tokens = 0;
      for (const View& view : views) {
        tokens += view.token_count;
        if (view.tokens.columns > 0) CHECK(view.tokens.columns * view.tokens.rows == view.token_count);
      }
      const bool line_ends = family.model_type == "llava_next" || family.model_type == "llava_onevision";
      if (!line_ends) CHECK(tokens + separators(family.model_type, views) == input.tokens);
    }
}

void check_line_ends(const char* type, Size size, int line_ends) {
  CAPTURE(type);
  const auto processor = find_image_processor(type).make(default_processor_files(type), {});
  const ImageInput input = processor->prepare(ramps(size), 1);
  int tokens = 0;
  for (const View& view : processor->views(input, size)) tokens += view.token_count;
  CHECK(input.tokens - tokens == line_ends);
}

TEST_CASE("kept lines of tiles are ended by a token each") {
  check_line_ends("llava_next", {672, 672}, 48);  // three tiles of 16 patches, nothing padded
  check_line_ends("llava_next", {672, 336}, 16);
  check_line_ends("llava_onevision", {768, 768}, 54);
  check_line_ends("llava_onevision", {768, 384}, 27);
  check_line_ends("llava_onevision", {2304, 2304}, 81);  // resampled to 9 tiles' rows
}

TEST_CASE("a picture that no rule resizes comes back bit by bit") {
  const std::vector<std::pair<const char*, Size>> cases = {
      {"qwen2_vl", {112, 84}},        {"paddleocr_vl", {560, 448}}, {"hunyuan_vl", {640, 512}},
      {"kimi_vl", {112, 84}},         {"pixtral", {96, 64}},        {"lfm2_vl", {320, 256}},
      {"idefics2", {500, 400}},       {"gemma4", {768, 768}},       {"internvl", {384, 384}},
      {"cohere2_vision", {512, 512}}, {"glm4v", {560, 448}}};
  for (const auto& [type, size] : cases) {
    CAPTURE(type);
    const Image image = test::pattern(size.width, size.height);
    const auto processor = find_image_processor(type).make(default_processor_files(type), {});
    const auto views = views_of(*processor, image);
    REQUIRE(views.size() == 1);
    CHECK(same(views[0].image, image));
    check_box(views[0].source, 0, 0, float(size.width), float(size.height));
  }
}

TEST_CASE("several pictures of one prompt are seen as they are prepared for it") {
  const Size size{200, 100};
  const auto onevision = find_image_processor("llava_onevision").make(files("{}"), {});
  const auto padded = onevision->views(onevision->prepare(ramps(size), 2), size);
  REQUIRE(padded.size() == 1);
  check_box(padded[0].source, 0, -50, 200, 150);
  const auto deepseek = find_image_processor("deepseek_vl_v2").make(files("{}"), {});
  const auto tiles = deepseek->views(deepseek->prepare(ramps(size), 3), size);
  REQUIRE(tiles.size() == 2);
  check_box(tiles[1].source, 0, -50, 200, 150);
}

TEST_CASE("quarters of a picture are named by their place and shown without what the mask hides") {
  const Size size{501, 400};
  const auto processor = make_masked_images(
      files(R"({"do_image_splitting": true, "size": {"shortest_edge": 100, "longest_edge": 300}})"), {});
  const auto views = views_of(*processor, ramps(size));
  REQUIRE(views.size() == 5);
  check_box(views[3].source, 250, 200, 501, 400);
  CHECK(views[3].label == "row 2, column 2");
  CHECK(views[3].image.width() == 251);
  CHECK(views[4].image.width() == 300);
  for (const View& view : views) CHECK(largest_error(view, size) < 3);
}

TEST_CASE("a crop to whole groups of patches is told") {
  const Size size{150, 100};
  const auto processor = find_image_processor("kimi_vl").make(files("{}"), {});
  const View view = views_of(*processor, ramps(size)).at(0);
  CHECK(view.label == "centre crop");
  check_box(view.source, 5, 8, 145, 92);
  CHECK(largest_error(view, size) < 2);
}

}  // namespace
}  // namespace mlx_vision::processing
