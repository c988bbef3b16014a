#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "mlx_vision/error.h"
#include "processing/fixed_square.h"
#include "processing/pattern.h"
#include "processing/qwen_patches.h"
#include "processing/tiled_longest_edge.h"

namespace mlx_vision::processing {
namespace {

using nlohmann::json;

json golden(const std::string& name) {
  std::ifstream file(std::string(TESTS_DIR "/processing/golden/").append(name));
  REQUIRE(file.good());
  return json::parse(file);
}

std::unique_ptr<ImageProcessor> processor_of(const json& entry) {
  const ProcessorFiles files{
      .config = core::ConfigReader::empty("config.json"),
      .image_processor =
          core::ConfigReader::from_text(entry["image_processor"].dump(), "preprocessor_config.json"),
      .processor = core::ConfigReader::from_text(entry["processor"].dump(), "processor_config.json")};
  const auto pipeline = entry["pipeline"].get<std::string>();
  if (pipeline == "qwen_patches") return make_qwen_patches(files, {});
  if (pipeline == "fixed_square") return make_fixed_square(files, {});
  REQUIRE(pipeline == "tiled_longest_edge");
  return make_tiled_longest_edge(files, {});
}

void check_arrays(const json& expected, const std::vector<Tensor>& arrays) {
  std::set<std::string> names;
  for (const Tensor& tensor : arrays) {
    names.insert(tensor.name);
    CAPTURE(tensor.name);
    REQUIRE(expected.contains(tensor.name));
    const json& want = expected[tensor.name];
    CHECK(tensor.shape == want["shape"].get<std::vector<std::int64_t>>());
    std::size_t values = 1;
    for (const auto side : tensor.shape) values *= std::size_t(side);
    REQUIRE(values == tensor.floats.size() + tensor.ints.size());
    if (tensor.type == ElementType::float32) {
      const std::size_t step = std::max<std::size_t>(1, values / 5);
      for (std::size_t i = 0; i < want["samples"].size(); ++i)
        CHECK(tensor.floats[i * step] == want["samples"][i].get<float>());
    }
    CHECK(test::checksum(tensor) == want["checksum"].get<std::string>());
  }
  CHECK(names.size() == expected.size());
}

/// Kept, since most sizes serve many cases.
Image pattern_of(const json& size) {
  static std::map<std::pair<int, int>, Image> made;
  const std::pair key(size[0].get<int>(), size[1].get<int>());
  const auto found = made.find(key);
  return (found != made.end() ? found : made.emplace(key, test::pattern(key.first, key.second)).first)
      ->second;
}

/// prepare() gives an image's share of what the reference returns for it alone, batch() all of it.
void check_image(const ImageProcessor& processor, const json& expected) {
  const auto label = expected["size"].dump();
  CAPTURE(label);
  const Image image = pattern_of(expected["size"]);
  if (expected.contains("error")) {
    CHECK_THROWS_AS(processor.prepare(image, 1), MediaError);
    CHECK_THROWS_AS(processor.plan({image.width(), image.height()}, 1), MediaError);
    return;
  }
  const std::vector<ImageInput> input = {processor.prepare(image, 1)};
  check_arrays(expected["arrays"], processor.batch(input));
  CHECK(input[0].expansion.size() == expected["expansion"]["length"].get<std::size_t>());
  CHECK(test::checksum(input[0].expansion) == expected["expansion"]["checksum"].get<std::string>());
  std::size_t tokens = 0;
  const std::string token(processor.placeholder());
  for (std::size_t at = 0; (at = input[0].expansion.find(token, at)) != std::string::npos; at += token.size())
    ++tokens;
  CHECK(std::size_t(input[0].tokens) == tokens);
  const PreparedSize planned = processor.plan({image.width(), image.height()}, 1);
  CHECK(planned.pixels == input[0].array("pixel_values").shape);
  CHECK(planned.tokens == input[0].tokens);
  CHECK(planned.expansion == input[0].expansion);
}

TEST_CASE("prepared images equal the reference's, bit by bit") {
  const json goldens = golden("pixels.json");
  for (const json& entry : goldens["cases"]) {
    const auto name = entry["name"].get<std::string>();
    CAPTURE(name);
    const auto processor = processor_of(entry);
    for (const json& expected : entry["images"]) check_image(*processor, expected);
    std::vector<ImageInput> several;
    for (const json& size : entry["batch"]["sizes"])
      several.push_back(processor->prepare(pattern_of(size), 3));
    check_arrays(entry["batch"]["arrays"], processor->batch(several));
  }
}

}  // namespace
}  // namespace mlx_vision::processing
