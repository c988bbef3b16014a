#include "mlx_vision/process_image.h"

#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <iterator>

#include "mlx_vision/error.h"

using namespace mlx_vision;
namespace fs = std::filesystem;
using Stage = ImageProcessingError::Stage;

namespace {

const fs::path kPicture = fs::path(TESTS_DIR) / "fixtures/images/wide_150x34.png";

std::vector<std::byte> bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> chars((std::istreambuf_iterator<char>(in)), {});
  const auto* begin = reinterpret_cast<const std::byte*>(chars.data());
  return {begin, begin + chars.size()};
}

template <class Make>
Stage failed_stage(const Make& make) {
  try {
    make();
  } catch (const ImageProcessingError& e) {
    return e.stage();
  }
  throw std::logic_error("nothing was thrown");
}

}  // namespace

TEST_CASE("every kind of input gives the same array") {
  const VisionConfig config = VisionConfigTable().get("llava");
  const Image image = Image::from_file(kPicture);
  const Tensor expected = prepare_image(image, config);
  const auto same = [&](const mlx::core::array& array) {
    CHECK(array.shape() == mlx::core::Shape{3, 336, 336});
    CHECK(array.dtype() == mlx::core::float32);
    CHECK(std::equal(expected.floats.begin(), expected.floats.end(), array.data<float>()));
  };
  same(process_image(image, config));
  same(process_image(kPicture, config));
  same(process_image(bytes_of(kPicture), config));
  same(process_image(
      PixelView{.data = image.pixels().data(), .width = image.width(), .height = image.height()}, config));
}

TEST_CASE("what fails says at which stage") {
  const VisionConfig config;
  const std::array<std::byte, 4> junk{};
  CHECK(failed_stage([&] { process_image(fs::path("/nonexistent.png"), config); }) == Stage::load);
  CHECK(failed_stage([&] { process_image(junk, config); }) == Stage::load);
  CHECK(failed_stage([&] { process_image(PixelView{}, config); }) == Stage::convert);
  CHECK(failed_stage([&] { process_image(kPicture, {.width = -1}); }) == Stage::resize);
  CHECK(failed_stage([&] { process_image(kPicture, {.std = {0, 0, 0}}); }) == Stage::normalize);
}
