#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>

#include "media/checksum.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using test::checksum;

namespace {

const std::string kCorpus = TESTS_DIR "/media/corpus/";

const nlohmann::json& expectations() {
  static const nlohmann::json json = nlohmann::json::parse(std::ifstream(kCorpus + "expected.json"));
  return json;
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
    CHECK(checksum(image.letterboxed(48, 48)) == expected["letterbox48"].get<std::uint32_t>());
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

TEST_CASE("an opened picture gives the pixels of a decoded one, whatever is asked of it first") {
  for (const auto& [name, expected] : expectations().items()) {
    if (expected.contains("error")) continue;
    CAPTURE(name);
    const Image decoded = Image::from_file(kCorpus + name), opened = Image::open(kCorpus + name);
    CHECK(opened.width() == decoded.width());
    CHECK(opened.height() == decoded.height());
    CHECK(opened.info().mode == decoded.info().mode);
    CHECK(opened.info().orientation == decoded.info().orientation);
    const Image copy = opened;  // streams the first resize for both
    const bool encoded = opened.info().format == "JPEG";
    CHECK(opened.undecoded_pixels() == (encoded ? std::uint64_t(opened.width()) * opened.height() : 0));
    CHECK(checksum(copy.resized(48, 9, Filter::bicubic)) == expected["bicubic48x9"].get<std::uint32_t>());
    CHECK(checksum(opened.letterboxed(48, 48)) == expected["letterbox48"].get<std::uint32_t>());
    CHECK(checksum(opened.resized(48, 9, Filter::bicubic)) == expected["bicubic48x9"].get<std::uint32_t>());
    CHECK(checksum(opened) == expected["rgb"].get<std::uint32_t>());
    CHECK(copy.pixels().data() == opened.pixels().data());
    CHECK(copy.undecoded_pixels() == 0);
    const Image same = Image::open(kCorpus + name).resized(decoded.width(), decoded.height(), Filter::box);
    CHECK(checksum(same) == expected["rgb"].get<std::uint32_t>());
  }
}

TEST_CASE("threads that share an opened picture all get its pixels") {
  const Image opened = Image::open(kCorpus + "own/exif6.jpg"),
              decoded = Image::from_file(kCorpus + "own/exif6.jpg");
  const auto expected = std::pair(checksum(decoded), checksum(decoded.resized(7, 3, Filter::bicubic)));
  std::vector<std::future<std::pair<std::uint32_t, std::uint32_t>>> results;
  for (int i = 0; i < 8; ++i)
    results.push_back(std::async(std::launch::async, [&opened] {
      const std::uint32_t resized = checksum(opened.resized(7, 3, Filter::bicubic));
      return std::pair(checksum(opened), resized);
    }));
  for (auto& result : results) CHECK(result.get() == expected);
}

TEST_CASE(
    "opening reports a damaged header; damage behind it comes with the pixels, each time, with the name") {
  const std::vector<std::byte> bytes = read(kCorpus + "own/sub2.jpg");
  const auto cut = [&](std::size_t size) {
    return std::vector(bytes.begin(), bytes.begin() + std::ptrdiff_t(size));
  };
  CHECK_THROWS_WITH_AS(Image::open_bytes(cut(60), {}, "upload 3"), doctest::Contains("upload 3"), MediaError);
  CHECK_THROWS_AS(Image::open_bytes(cut(bytes.size()), {.limits = {.side = 33}}), MediaError);
  const Image image = Image::open_bytes(cut(bytes.size() * 2 / 3), {}, "upload 3");
  CHECK(image.width() == 34);
  for (int i = 0; i < 2; ++i) {
    CHECK_THROWS_WITH_AS(image.resized(8, 8, Filter::bicubic), doctest::Contains("upload 3"), MediaError);
    CHECK_THROWS_WITH_AS(image.pixels(), doctest::Contains("upload 3"), MediaError);
  }
  CHECK_THROWS_AS(Image::open(kCorpus + "own/wrong_checksum.png"),
                  MediaError);  // other formats decode at once
  CHECK_THROWS_AS(Image::open(kCorpus + "absent.jpg"), MediaError);
}

TEST_CASE("a picture written as PNG reads back the same") {
  for (const auto& name : {"own/sub2.jpg", "own/exif6.png", "own/p5_255.pgm"}) {
    const Image image = Image::from_file(kCorpus + name), again = Image::from_bytes(image.to_png());
    CHECK(again.info().format == "PNG");
    CHECK(again.info().mode == "RGB");
    CHECK(again.width() == image.width());
    CHECK(checksum(again) == checksum(image));
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
  const auto refused = [](std::initializer_list<int> start, const char* format) {
    std::vector<std::byte> bytes(64);
    std::transform(start.begin(), start.end(), bytes.begin(), [](int value) { return std::byte(value); });
    CHECK_THROWS_WITH_AS(Image::from_bytes(bytes), doctest::Contains(format), MediaError);
  };
  refused({0, 0, 2, 0, 1, 0}, "cursor");
  refused({0, 0, 0, 12, 'j', 'P', ' ', ' ', '\r', '\n', 0x87, '\n'}, "JPEG 2000");
  refused({0xff, 0x0a}, "JPEG XL");
  refused({'8', 'B', 'P', 'S'}, "Photoshop");
  refused({'R', 'I', 'F', 'F', 1, 0, 0, 0, 'W', 'A', 'V', 'E'}, "other data");
  CHECK_THROWS_WITH_AS(Image::from_file(kCorpus + "pillow/deerstalker.cur"), doctest::Contains("cursor"),
                       MediaError);
  CHECK_THROWS_AS(Image::from_file(kCorpus), MediaError);
  CHECK_THROWS_AS(Image::from_file(kCorpus + "absent.png"), MediaError);
}
