#include "mlx_vision/vision_config.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "mlx_vision/error.h"
#include "processing/pattern.h"

using namespace mlx_vision;
namespace fs = std::filesystem;
using Stage = ImageProcessingError::Stage;

namespace {

const std::array<double, 3> kMean = {0.485, 0.456, 0.406}, kStd = {0.229, 0.224, 0.225};

VisionConfig row(const char* name) { return VisionConfigTable().get(name); }

/// A JSON file of rows, gone with the object.
class RowsFile {
 public:
  explicit RowsFile(const std::string& text) { std::ofstream(path_) << text; }
  ~RowsFile() { fs::remove(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_ = fs::temp_directory_path() / "mlx-vision-rows-test.json";
};

ImageProcessingError failure(const Image& image, const VisionConfig& config) {
  try {
    prepare_image(image, config);
  } catch (const ImageProcessingError& e) {
    return e;
  }
  throw std::logic_error("nothing was thrown");
}

}  // namespace

TEST_CASE("the built-in rows") {
  struct Expected {
    const char* name;
    int side;
    const char* format;
    bool numbered;
  };
  for (const auto& [name, side, format, numbered] :
       {Expected{"llava", 336, "<image>\n{prompt}", false}, Expected{"qwen-vl", 448, "<img>{prompt}", true},
        Expected{"kimi-vl", 224, "<|image|>{prompt}", false},
        Expected{"idefics", 224, "<image>{prompt}", true},
        Expected{"default", 224, "<image>{prompt}", false}}) {
    CAPTURE(name);
    const VisionConfigTable table;
    const VisionConfig* found = table.find(name);
    REQUIRE(found);
    CHECK(found->width == side);
    CHECK(found->height == side);
    CHECK(found->prompt_format == format);
    CHECK(found->numbered_images == numbered);
    CHECK(found->mean == kMean);
    CHECK(found->std == kStd);
  }
  CHECK(VisionConfigTable().rows().size() == 5);
  CHECK(VisionConfigTable().find("LLaVA"));
  CHECK_FALSE(VisionConfigTable().find("nothing"));
  CHECK(row("nothing").width == 224);
  CHECK(row("nothing").name == "nothing");
}

TEST_CASE("rows are added and replaced") {
  VisionConfigTable table;
  table.add({.name = "Mine", .width = 500, .height = 300, .prompt_format = "{prompt} <pic>"});
  REQUIRE(table.find("mine"));
  CHECK(table.find("mine")->width == 500);
  table.add({.name = "llava", .width = 672, .height = 672});
  CHECK(table.find("llava")->width == 672);
  CHECK(table.rows().size() == 6);
  CHECK(VisionConfigTable().find("llava")->width == 336);
}

TEST_CASE("a row that means nothing is refused, and names its field") {
  VisionConfigTable table;
  const auto refused = [&](VisionConfig config, const char* text) {
    CHECK_THROWS_WITH_AS(table.add(std::move(config)), text, ConfigError);
  };
  refused({.name = ""}, "vision configuration \"\".name: expected a name, got none");
  refused({.name = "a", .width = 0}, "vision configuration \"a\".width: expected 1..16384, got 0");
  refused({.name = "a", .height = 16385}, "vision configuration \"a\".height: expected 1..16384, got 16385");
  refused({.name = "a", .prompt_format = "<image>"},
          "vision configuration \"a\".prompt: expected {prompt} exactly once, got \"<image>\"");
  refused({.name = "a", .prompt_format = "{prompt}{prompt}"},
          "vision configuration \"a\".prompt: expected {prompt} exactly once, got \"{prompt}{prompt}\"");
  refused({.name = "a", .mean = {0, std::numeric_limits<double>::infinity(), 0}},
          "vision configuration \"a\".mean: expected finite numbers");
  refused({.name = "a", .std = {1, 0, 1}}, "vision configuration \"a\".std: expected finite numbers above 0");
  CHECK(table.rows().size() == 5);
}

TEST_CASE("rows from a file") {
  VisionConfigTable table;
  table.add_from_file(RowsFile(R"({"my-model": {"width": 448, "height": 224, "prompt": "<p>{prompt}",
    "mean": [0.5, 0.25, 0.125], "std": [1, 2, 3], "numbered_images": true}, "llava": {"width": 672}})")
                          .path());
  const VisionConfig* mine = table.find("my-model");
  REQUIRE(mine);
  CHECK(mine->width == 448);
  CHECK(mine->height == 224);
  CHECK(mine->prompt_format == "<p>{prompt}");
  CHECK(mine->numbered_images);
  CHECK(mine->mean == std::array{0.5, 0.25, 0.125});
  CHECK(mine->std == std::array{1.0, 2.0, 3.0});
  CHECK(table.find("llava")->width == 672);
  CHECK(table.find("llava")->height == 224);

  const auto refused = [](const char* text, const char* why) {
    VisionConfigTable other;
    const RowsFile file(text);
    CHECK_THROWS_WITH_AS(other.add_from_file(file.path()), doctest::Contains(why), ConfigError);
    CHECK(other.rows().size() == 5);
  };
  refused(R"({"good": {}, "a": {"size": 3}})", ".a.size: unknown field");
  refused(R"({"a": {"width": "3"}})", ".a.width: wrong type");
  refused(R"({"a": {"mean": [1, 2]}})", ".a.mean: expected 3 numbers, got 2");
  refused(R"({"a": 3})", ".a");
  refused("[]", "mlx-vision-rows-test.json");
  CHECK_THROWS_AS(VisionConfigTable().add_from_file("/nonexistent.json"), ConfigError);
}

TEST_CASE("prompts for each row and number of pictures") {
  struct Expected {
    const char *name, *one, *two, *five;
  };
  for (const auto& [name, one, two, five] :
       {Expected{"llava", "<image>\nHi", "<image>\n<image>\nHi",
                 "<image>\n<image>\n<image>\n<image>\n<image>\nHi"},
        Expected{"qwen-vl", "<img>Hi", "<image2><image1>Hi", "<image5><image4><image3><image2><image1>Hi"},
        Expected{"idefics", "<image>Hi", "<image2><image1>Hi", "<image5><image4><image3><image2><image1>Hi"},
        Expected{"kimi-vl", "<|image|>Hi", "<|image|><|image|>Hi",
                 "<|image|><|image|><|image|><|image|><|image|>Hi"},
        Expected{"default", "<image>Hi", "<image><image>Hi", "<image><image><image><image><image>Hi"},
        Expected{"unknown", "<image>Hi", "<image><image>Hi", "<image><image><image><image><image>Hi"}}) {
    CAPTURE(name);
    CHECK(format_prompt("Hi", 0, row(name)) == "Hi");
    CHECK(format_prompt("Hi", 1, row(name)) == one);
    CHECK(format_prompt("Hi", 2, row(name)) == two);
    CHECK(format_prompt("Hi", 5, row(name)) == five);
  }
  CHECK(format_prompt("a", 2, {.prompt_format = "[{prompt}]"}) == "[[a]]");
  CHECK(format_prompt("say {prompt}", 2, row("default")) == "<image><image>say {prompt}");
  CHECK_THROWS_WITH_AS(format_prompt("Hi", -1, row("llava")), "images: expected 0..10000, got -1",
                       RequestError);
  CHECK_THROWS_AS(format_prompt("Hi", 10'001, row("llava")), RequestError);
}

TEST_CASE("generic preparation equals Pillow's and numpy's") {
  std::ifstream in(fs::path(TESTS_DIR) / "processing/golden/letterbox.json");
  const auto golden = nlohmann::json::parse(in);
  REQUIRE(golden.at("cases").size() >= 40);
  for (const auto& c : golden.at("cases")) {
    CAPTURE(c.dump());
    VisionConfig config;
    config.width = c.at("target")[0];
    config.height = c.at("target")[1];
    const Tensor out = prepare_image(test::pattern(c.at("image")[0], c.at("image")[1]), config);
    CHECK(out.name == "pixel_values");
    CHECK(out.shape == std::vector<std::int64_t>{3, config.height, config.width});
    CHECK(test::checksum(out) == c.at("checksum").get<std::string>());
  }
}

TEST_CASE("a failed preparation says at which stage") {
  const Image image = test::pattern(4, 4);
  const auto resize = failure(image, {.width = 0});
  CHECK(resize.stage() == Stage::resize);
  CHECK(std::string(resize.provider()) == "mlx");
  CHECK(std::string(resize.what()) ==
        "mlx: image processing failed at resize: vision configuration \"default\".width: expected 1..16384, "
        "got 0");
  const auto normalize = failure(image, {.std = {0, 1, 1}});
  CHECK(normalize.stage() == Stage::normalize);
  CHECK(normalize.cause() == "vision configuration \"default\".std: expected finite numbers above 0");
}
