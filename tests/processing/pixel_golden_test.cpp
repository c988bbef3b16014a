#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "mlx_vision/error.h"
#include "processing/image_processors.h"
#include "processing/pattern.h"
#include "sanitized.h"

namespace mlx_vision::processing {
namespace {

using nlohmann::json;

json golden(const std::string& name) {
  std::ifstream file(std::string(TESTS_DIR "/processing/golden/pixels/").append(name).append(".json"));
  REQUIRE(file.good());
  return json::parse(file);
}

std::unique_ptr<ImageProcessor> processor_of(const json& entry) {
  const auto reader = [&](const char* key) {
    return core::ConfigReader::from_text(entry[key].dump(), std::string(key).append(".json"));
  };
  const ProcessorFiles files{.config = reader("config"),
                             .image_processor = reader("image_processor"),
                             .processor = reader("processor")};
  return find_image_processor(entry["model_type"].get<std::string>()).make(files, {});
}

void check_arrays(const json& expected, const std::vector<Tensor>& arrays) {
  std::set<std::string> names;
  for (const Tensor& tensor : arrays) {
    names.insert(tensor.name);
    CAPTURE(tensor.name);
    REQUIRE(expected.contains(tensor.name));
    const json& want = expected[tensor.name];
    REQUIRE(tensor.shape == want["shape"].get<std::vector<std::int64_t>>());
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

/// The reference's texts, each with as many tokens as the picture has rows. SigLIP 2 alone has none.
void check_texts(const json& entry, const json& expected, const ImageProcessor& processor,
                 const std::vector<ImageInput>& inputs) {
  std::string token = entry["token"].get<std::string>();
  if (token.empty()) token = processor.placeholder();
  REQUIRE((expected.empty() || expected.size() == inputs.size()));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string& text = inputs[i].expansion;
    if (!expected.empty()) {
      CHECK(text.size() == expected[i]["length"].get<std::size_t>());
      CHECK(test::checksum(text) == expected[i]["checksum"].get<std::string>());
    }
    std::size_t tokens = 0;
    for (std::size_t at = 0; (at = text.find(token, at)) != std::string::npos; at += token.size()) ++tokens;
    CHECK(std::size_t(inputs[i].tokens) == tokens);
  }
}

/// plan() knows from the size alone what prepare() made.
void check_plan(const ImageProcessor& processor, const Image& image, int count, const ImageInput& input) {
  const PreparedSize planned = processor.plan({image.width(), image.height()}, count);
  CHECK(planned.pixels == input.arrays.front().shape);
  CHECK(planned.tokens == input.tokens);
  CHECK(planned.expansion == input.expansion);
}

/// prepare() gives an image's share of what the reference returns for it alone, batch() all of it.
void check_images(const json& entry, const json& sizes, const json& expected,
                  const ImageProcessor& processor) {
  const auto label = sizes.dump();
  CAPTURE(label);
  std::vector<ImageInput> inputs;
  for (const json& size : sizes) inputs.push_back(processor.prepare(pattern_of(size), int(sizes.size())));
  check_arrays(expected["arrays"], processor.batch(inputs));
  check_texts(entry, expected["expansions"], processor, inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    check_plan(processor, pattern_of(sizes[i]), int(sizes.size()), inputs[i]);
}

void check_cases(const std::string& group) {
  const json goldens = golden(group);
  for (const json& entry : goldens["cases"]) {
    const auto name = entry["name"].get<std::string>();
    CAPTURE(name);
    const auto processor = processor_of(entry);
    CHECK(!processor->describe().empty());
    // With a sanitizer some of the sizes will do.
    for (std::size_t i = 0; i < entry["images"].size(); i += test::kSanitized ? 5 : 1) {
      const json& expected = entry["images"][i];
      if (expected.contains("error")) {
        const auto label = expected["size"].dump();
        CAPTURE(label);
        const Image image = pattern_of(expected["size"]);
        CHECK_THROWS_AS(processor->prepare(image, 1), MediaError);
        CHECK_THROWS_AS(processor->plan({image.width(), image.height()}, 1), MediaError);
      } else {
        check_images(entry, json::array({expected["size"]}), expected, *processor);
      }
    }
    check_images(entry, entry["batch"]["sizes"], entry["batch"], *processor);
  }
}

TEST_CASE("pictures of one size equal the reference's, bit by bit") { check_cases("square"); }
TEST_CASE("tiles equal the reference's, bit by bit") { check_cases("tiles"); }
TEST_CASE("patches equal the reference's, bit by bit") { check_cases("patches"); }

}  // namespace
}  // namespace mlx_vision::processing
