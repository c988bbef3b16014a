#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "media/checksum.h"
#include "media/forced_target.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using test::checksum;
using test::noise;

namespace {

struct Case {
  std::uint32_t seed = 0, crc = 0;
  int width = 0, height = 0, new_width = 0, new_height = 0;
  Filter filter = Filter::nearest;
  std::optional<Box> box;
};

std::vector<Case> read_cases(const std::string& name) {
  static const std::map<std::string, Filter> kFilters = {
      {"nearest", Filter::nearest}, {"box", Filter::box},         {"bilinear", Filter::bilinear},
      {"hamming", Filter::hamming}, {"bicubic", Filter::bicubic}, {"lanczos", Filter::lanczos}};
  std::ifstream file(std::string(TESTS_DIR "/media/goldens/") + name);
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::string filter, rule;
    Case c;
    in >> c.seed >> c.width >> c.height >> c.new_width >> c.new_height >> filter >> rule >> c.crc;
    REQUIRE(in);
    c.filter = kFilters.at(filter);
    if (Box box; in >> box.left >> box.top >> box.right >> box.bottom) c.box = box;
    cases.push_back(c);
  }
  return cases;
}

/// Number of the first case that differs from the reference; nothing if all agree.
std::optional<std::uint32_t> first_difference(const std::vector<Case>& cases, ResampleRule rule,
                                              std::size_t step) {
  for (std::size_t i = 0; i < cases.size(); i += step) {
    const Case& c = cases[i];
    const Image image = noise(c.seed, c.width, c.height);
    if (checksum(image.resized(c.new_width, c.new_height, c.filter, rule, c.box)) != c.crc) return c.seed;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("resizes equal Pillow 13 on random sizes, filters and boxes") {
  const auto cases = read_cases("resample_pillow.txt");
  REQUIRE(cases.size() >= 2000);
  CHECK(first_difference(cases, ResampleRule::pillow13, 1) == std::nullopt);
}

TEST_CASE("resizes equal torchvision's uint8 rule") {
  const auto cases = read_cases("resample_torchvision.txt");
  REQUIRE(cases.size() >= 1000);
  CHECK(first_difference(cases, ResampleRule::torchvision, 1) == std::nullopt);
}

TEST_CASE("every instruction set gives the same pixels") {
  const auto pillow = read_cases("resample_pillow.txt"), torchvision = read_cases("resample_torchvision.txt");
  const int targets = test::for_each_target([&](const char* target) {
    CAPTURE(target);
    CHECK(first_difference(pillow, ResampleRule::pillow13, 3) == std::nullopt);
    CHECK(first_difference(torchvision, ResampleRule::torchvision, 5) == std::nullopt);
  });
  CHECK(targets >= 1);
}

TEST_CASE("two threads give the pixels of one") {
  const Image image = noise(1, 900, 700);  // large enough to be shared
  const Image part = image.resized(301, 233, Filter::lanczos);
  // The same picture through a box goes the same way; its upper half alone is below the threshold.
  const Image half = image.resized(301, 100, Filter::lanczos, ResampleRule::pillow13, Box{0, 0, 900, 300});
  const Image whole = image.resized(301, 233, Filter::lanczos, ResampleRule::pillow13, Box{0, 0, 900, 700});
  CHECK(checksum(part) == checksum(whole));
  CHECK(half.height() == 100);
}

TEST_CASE("Pillow 12 shrinks horizontally first") {
  const Image image = noise(3, 64, 200);
  const Image old_order = image.resized(60, 20, Filter::bicubic, ResampleRule::pillow12);
  CHECK(checksum(old_order) ==
        checksum(image.resized(60, 200, Filter::bicubic).resized(60, 20, Filter::bicubic)));
  CHECK(checksum(old_order) != checksum(image.resized(60, 20, Filter::bicubic)));
}

TEST_CASE("sizes and boxes that make no sense are refused") {
  const Image image = noise(1, 8, 6);
  CHECK_THROWS_AS(image.resized(0, 5, Filter::box), MediaError);
  CHECK_THROWS_AS(image.resized(5, -1, Filter::box), MediaError);
  CHECK_THROWS_AS(image.resized(1 << 20, 1 << 20, Filter::lanczos), MediaError);
  CHECK_THROWS_AS(image.resized(4, 4, Filter::box, ResampleRule::pillow13, Box{-1, 0, 4, 4}), MediaError);
  CHECK_THROWS_AS(image.resized(4, 4, Filter::box, ResampleRule::pillow13, Box{0, 0, 9, 4}), MediaError);
  CHECK_THROWS_AS(image.resized(4, 4, Filter::box, ResampleRule::pillow13, Box{5, 0, 4, 4}), MediaError);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(image.resized(4, 4, Filter::box, ResampleRule::pillow13, Box{nan, 0, 4, 4}), MediaError);
  CHECK_THROWS_AS(image.resized(4, 4, Filter::hamming, ResampleRule::torchvision), MediaError);
  CHECK(image.resized(8, 6, Filter::lanczos).pixels().data() == image.pixels().data());
}
