#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "cli/base64.h"
#include "cli/canvas.h"
#include "cli/sha256.h"
#include "cli/sheet.h"
#include "cli/terminal_picture.h"
#include "cli/view_text.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using namespace mlx_vision::cli;

namespace {

Image plain(int width, int height, std::uint8_t value) {
  return Image::from_rgb(width, height, std::vector<std::uint8_t>(std::size_t(width * height) * 3, value));
}

View view_of(int row, int column, const Box& source) {
  return {.label = "view", .image = plain(10, 10, 9), .source = source, .row = row, .column = column};
}

std::size_t count(const Image& image, std::uint8_t value) {
  std::size_t out = 0;
  for (std::size_t i = 0; i < image.pixels().size(); i += 3) out += image.pixels()[i] == value;
  return out;
}

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

TEST_CASE("SHA-256 of the standard's own example") {
  const std::vector<std::uint8_t> abc = {'a', 'b', 'c'};
  CHECK(sha256(abc) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("base64 is written with padding") {
  CHECK(encode_base64(bytes("")).empty());
  CHECK(encode_base64(bytes("f")) == "Zg==");
  CHECK(encode_base64(bytes("fo")) == "Zm8=");
  CHECK(encode_base64(bytes("foo")) == "Zm9v");
  CHECK(encode_base64(bytes("\xff\xfe\xfd")) == "//79");
}

TEST_CASE("names are cut in the middle, by characters") {
  CHECK(shortened("photo.jpg", 9) == "photo.jpg");
  CHECK(shortened("a-very-long-name.jpg", 12) == "a-v...me.jpg");
  CHECK(shortened("ééééééééé", 6) == "é...éé");
  CHECK(shortened("abcdef", 2) == "...");
}

TEST_CASE("a canvas cuts off what lies outside") {
  Canvas canvas(4, 3, {1, 1, 1});
  canvas.fill({-5, -5, 6, 6}, {7, 7, 7});
  canvas.draw(plain(2, 2, 9), 3, 2, 5);
  canvas.fill({100, 100, 5, 5}, {8, 8, 8});
  const Image image = canvas.image();
  CHECK(count(image, 7) == 1);
  CHECK(count(image, 9) == 1);
  CHECK(count(image, 1) == 10);
  CHECK_THROWS_AS(Canvas(1 << 20, 1 << 20, {}), MediaError);
}

TEST_CASE("letters are drawn, unknown ones as a question mark") {
  const auto drawn = [](std::string_view text, int zoom = 1) {
    Canvas canvas(8 * zoom, 13 * zoom, {0, 0, 0});
    canvas.text(0, 0, text, {255, 255, 255}, zoom);
    const Image image = canvas.image();
    return std::vector<std::uint8_t>(image.pixels().begin(), image.pixels().end());
  };
  CHECK(drawn("A") != drawn("B"));
  CHECK(drawn("\u4e16") == drawn("?"));
  CHECK(drawn("\xff") == drawn("?"));
  CHECK(drawn("\u00d7") != drawn("?"));
  CHECK(std::ranges::count(drawn("A", 2), 255) == 4 * std::ranges::count(drawn("A"), 255));
  CHECK(Canvas::text_width("\u00d7x", 2) == 32);
}

TEST_CASE("facts say what is shown, how it is scaled, and where it is distorted") {
  const Image original = plain(100, 50, 0);
  ViewFacts facts = facts_of(view_of(-1, -1, {0, 0, 100, 50}), original);
  CHECK(facts.source == "all of it");
  CHECK(facts.scale == "scaled by 0.10 across, 0.20 down");
  CHECK(facts.patches.empty());
  facts = facts_of(view_of(-1, -1, {25, 0, 75, 50}), original);
  CHECK(facts.source == "x 25 to 75, y 0 to 50");
  CHECK(facts.scale == "scaled by 0.20");
  CHECK(facts_of(view_of(-1, -1, {0, -25, 100, 75}), original).source == "all of it, padded");
  View view = view_of(-1, -1, {0, 0, 100, 50});
  view.patches = {2, 2, 5, 5};
  view.tokens = {4, 4, 2, 2};
  view.token_count = 4;
  CHECK(facts_of(view, original).patches == "5x5 of 2x2 pixels");
  CHECK(facts_of(view, original).tokens == "4: 2x2 of 4x4 pixels");
}

TEST_CASE("tiles are one panel in their rows, other views panels of their own") {
  Seen seen;
  seen.views = {view_of(-1, -1, {}), view_of(0, 1, {}), view_of(0, 0, {}),
                view_of(1, 0, {}),   view_of(1, 1, {}), view_of(-1, -1, {})};
  const auto panels = panels_of(seen);
  REQUIRE(panels.size() == 3);
  CHECK(panels[0].views.size() == 1);
  CHECK(panels[1].columns == 2);
  CHECK(panels[1].views ==
        std::vector<const View*>{&seen.views[2], &seen.views[1], &seen.views[3], &seen.views[4]});
  CHECK(panels[2].views[0] == &seen.views[5]);
  const Image strip = views_strip(seen);
  CHECK(strip.width() == 4 * 10 + 3);
  CHECK(strip.height() == 2 * 10 + 1);
}

TEST_CASE("a sheet shows every view's pixels, zoomed by a whole number") {
  SeenImage image{"a.png", plain(100, 50, 200), {}};
  image.seen.views = {view_of(-1, -1, {0, 0, 100, 50})};
  CHECK(count(draw_sheet({image}, "model: rule"), 9) >= 80 * 80);
  const auto json = to_json(image);
  CHECK(json["views"][0]["tile"].is_null());
  CHECK(json["views"][0]["scale"][1] == doctest::Approx(0.2));
  CHECK(json["views"][0]["patches"].is_null());
}

TEST_CASE("half blocks carry two pixels to a character and end in a reset") {
  const Image image = Image::from_rgb(1, 2, {1, 2, 3, 40, 50, 60});
  CHECK(half_blocks(image, 1, 5) == "\x1b[38;2;1;2;3m\x1b[48;2;40;50;60m\u2580\x1b[0m\n");
  const std::string wide = half_blocks(plain(400, 10, 5), 20, 5);
  CHECK(std::count(wide.begin(), wide.end(), '\n') == 1);
  const std::string tall = half_blocks(plain(10, 400, 5), 80, 5);
  CHECK(std::count(tall.begin(), tall.end(), '\n') == 5);
}

TEST_CASE("terminals that show 24-bit colours") {
  CHECK(has_true_colour("truecolor", "xterm"));
  CHECK(has_true_colour("", "xterm-kitty"));
  CHECK_FALSE(has_true_colour("", "xterm-256color"));
  CHECK_FALSE(has_true_colour("yes", ""));
}
