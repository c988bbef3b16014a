#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "media/checksum.h"
#include "media/geometry.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using test::checksum;

namespace {

const std::string kCorpus = TESTS_DIR "/media/corpus/";

const nlohmann::json& expectations() {
  static const nlohmann::json json = nlohmann::json::parse(std::ifstream(kCorpus + "expected.json"));
  return json;
}

Image letterbox(const Image& image, int side) {
  const double ratio = double(image.width()) / image.height();
  const int width = ratio > 1 ? side : int(side * ratio), height = ratio > 1 ? int(side / ratio) : side;
  const Image small = image.resized(width, height, Filter::lanczos);
  return media::paste_on(small, side, side, (side - width) / 2, (side - height) / 2, {0, 0, 0});
}

std::vector<std::byte> read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
  return {data, data + bytes.size()};
}

}  // namespace

TEST_CASE("every picture of the corpus decodes to the reference's pixels, or is refused as there") {
  for (const auto& [name, expected] : expectations().items()) {
    CAPTURE(name);
    if (expected.contains("error")) {
      try {
        Image::from_file(kCorpus + name);
        FAIL_CHECK("accepted");
      } catch (const MediaError& error) {
        CHECK_MESSAGE(std::string(error.what()).find(name) != std::string::npos, error.what());
      }
      continue;
    }
    const Image image = Image::from_file(kCorpus + name);
    CHECK(image.info().format == expected["format"].get<std::string>());
    CHECK(image.info().mode == expected["mode"].get<std::string>());
    CHECK(image.info().orientation == expected["orientation"].get<int>());
    CHECK(image.width() == expected["size"][0].get<int>());
    CHECK(image.height() == expected["size"][1].get<int>());
    const ImageInfo header = read_image_info(kCorpus + name);
    CHECK(header.format == image.info().format);
    CHECK(header.mode == image.info().mode);
    CHECK(header.orientation == image.info().orientation);
    CHECK(header.seen_size() == std::pair(image.width(), image.height()));
    CHECK(checksum(image) == expected["rgb"].get<std::uint32_t>());
    CHECK(checksum(letterbox(image, 48)) == expected["letterbox48"].get<std::uint32_t>());
    CHECK(checksum(image.resized(48, 9, Filter::bicubic)) == expected["bicubic48x9"].get<std::uint32_t>());
  }
}

TEST_CASE("a picture cut short is an error or the picture, never other pixels") {
  for (const auto& [name, expected] : expectations().items()) {
    if (expected.contains("error")) continue;
    const std::vector<std::byte> bytes = read(kCorpus + name);
    const std::uint32_t whole = checksum(Image::from_bytes(bytes));
    for (std::size_t parts = 1; parts < 12; ++parts) {
      const std::size_t size = bytes.size() * parts / 12;
      CAPTURE(name);
      CAPTURE(size);
      try {
        const Image image = Image::from_bytes(std::span(bytes).first(size));
        // Orientation may stand behind the pixels, and text data of any length are a picture.
        if (image.info().orientation == expected["orientation"].get<int>()) CHECK(checksum(image) == whole);
      } catch (const MediaError&) {
      }
    }
  }
}

TEST_CASE("decoding and resizing in one go gives the pixels of both in turn") {
  const std::pair<int, int> sizes[] = {{7, 5}, {48, 3}, {3, 48}, {100, 90}};
  for (const auto& [name, expected] : expectations().items()) {
    if (expected.contains("error")) continue;
    CAPTURE(name);
    const Image image = Image::from_file(kCorpus + name);
    for (const auto& size : sizes)
      for (const Filter filter : {Filter::nearest, Filter::bilinear, Filter::bicubic, Filter::lanczos})
        for (const ResampleRule rule : {ResampleRule::pillow13, ResampleRule::pillow12}) {
          const FittedResize resize{[&](int, int) { return size; }, filter, rule};
          const Image fused = Image::from_file_resized(kCorpus + name, resize);
          const Image apart = image.resized(size.first, size.second, filter, rule);
          CHECK(checksum(fused) == checksum(apart));
          CHECK(fused.info().orientation == image.info().orientation);
        }
  }
}

TEST_CASE("a fitted resize sees the turned size and its errors come through") {
  const std::string name = kCorpus + "own/exif6.jpg";
  std::pair<int, int> seen;
  Image::from_file_resized(name, {[&](int width, int height) { return seen = {width, height}; }});
  CHECK(seen == std::pair(5, 9));
  CHECK_THROWS_AS(Image::from_file_resized(name, {[](int, int) { return std::pair(0, 3); }}), MediaError);
  const FittedResize small{[](int, int) { return std::pair(4, 4); }};
  CHECK_THROWS_AS(Image::from_file_resized(kCorpus + "own/truncated.jpg", small), MediaError);
}

TEST_CASE("limits apply before memory is taken") {
  const std::string name = kCorpus + "own/sub2.jpg";
  const auto refused = [&](const DecodeLimits& limits) {
    CHECK_THROWS_AS(Image::from_file(name, {.limits = limits}), MediaError);
  };
  refused({.file_bytes = 100});
  refused({.pixels = 34 * 21 - 1});
  refused({.side = 33});
  CHECK(Image::from_file(name, {.limits = {.pixels = 34 * 21, .side = 34}}).width() == 34);
  CHECK_THROWS_AS(Image::from_file(kCorpus + "own/progressive.jpg", {.limits = {.progressive_scans = 3}}),
                  MediaError);
}

TEST_CASE("alpha is dropped or composited") {
  const Image dropped = Image::from_file(kCorpus + "own/lossless.webp");
  const Image white = Image::from_file(kCorpus + "own/lossless.webp", {.alpha = AlphaMode::white});
  const Image black = Image::from_file(kCorpus + "own/lossless.webp", {.alpha = AlphaMode::black});
  bool differ = false;
  for (std::size_t i = 0; i < dropped.pixels().size(); ++i) {
    CHECK(white.pixels()[i] >= dropped.pixels()[i]);
    CHECK(black.pixels()[i] <= dropped.pixels()[i]);
    differ |= white.pixels()[i] != black.pixels()[i];
  }
  CHECK(differ);
}

TEST_CASE("a turned picture stays as stored when asked") {
  const Image stored = Image::from_file(kCorpus + "own/exif6.png", {.apply_orientation = false});
  CHECK(stored.width() == 9);
  CHECK(stored.info().orientation == 6);
}

TEST_CASE("raw pixels of every format and stride") {
  const std::uint8_t rgba[] = {10, 20, 30, 0, 40, 50, 60, 255, 9, 9, 70, 80, 90, 128, 1, 2, 3, 255, 9, 9};
  const PixelView view{.data = rgba, .width = 2, .height = 2, .format = PixelFormat::rgba, .stride = 10};
  const auto bytes = [](const Image& image) {
    return std::vector<int>(image.pixels().begin(), image.pixels().end());
  };
  CHECK(bytes(Image::from_pixels(view)) == std::vector<int>{10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3});
  CHECK(bytes(Image::from_pixels(view, AlphaMode::white)) ==
        std::vector<int>{255, 255, 255, 40, 50, 60, 162, 167, 172, 1, 2, 3});
  const PixelView gray{.data = rgba, .width = 3, .height = 1, .format = PixelFormat::gray};
  CHECK(bytes(Image::from_pixels(gray)) == std::vector<int>{10, 10, 10, 20, 20, 20, 30, 30, 30});
  CHECK_THROWS_AS(Image::from_pixels({.data = nullptr, .width = 2, .height = 2}), MediaError);
  CHECK_THROWS_AS(Image::from_pixels({.data = rgba, .width = 2, .height = 2, .stride = 5}), MediaError);
  CHECK_THROWS_AS(Image::from_rgb(2, 2, std::vector<std::uint8_t>(11)), MediaError);
  CHECK_THROWS_AS(Image::from_rgb(-1, -4, std::vector<std::uint8_t>(12)), MediaError);
}

TEST_CASE("files that are no pictures say what was expected") {
  CHECK_THROWS_WITH_AS(Image::from_bytes({}, {}, "upload 3"),
                       doctest::Contains("upload 3: expected a picture"), MediaError);
  CHECK_THROWS_AS(Image::from_file(kCorpus), MediaError);
  CHECK_THROWS_AS(Image::from_file(kCorpus + "absent.png"), MediaError);
}
