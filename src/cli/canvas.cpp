#include "cli/canvas.h"

#include <algorithm>
#include <cstring>

#include "cli/glyphs.h"
#include "mlx_vision/error.h"

namespace mlx_vision::cli {

namespace {

/// Takes one character off the front. Malformed bytes count as one each.
char32_t take_character(std::string_view& utf8) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(utf8[i]); };
  const std::size_t length = at(0) < 0x80 ? 1 : at(0) >= 0xf0 ? 4 : at(0) >= 0xe0 ? 3 : at(0) >= 0xc0 ? 2 : 1;
  char32_t code = length == 1 ? at(0) : at(0) & (0x7fu >> length);
  std::size_t used = 1;
  for (; used < length && used < utf8.size() && (at(used) & 0xc0) == 0x80; ++used)
    code = code << 6 | (at(used) & 0x3f);
  utf8.remove_prefix(used);
  return used == length && (length > 1 || code < 0x80) ? code : U'\ufffd';
}

const std::uint8_t* glyph(char32_t code) {
  const bool known = code >= kGlyphFirst && code < char32_t(kGlyphFirst + kGlyphCount);
  return kGlyphs[(known ? code : U'?') - kGlyphFirst];
}

std::vector<std::string_view> characters(std::string_view utf8) {
  std::vector<std::string_view> out;
  while (!utf8.empty()) {
    const std::string_view rest = utf8;
    take_character(utf8);
    out.push_back(rest.substr(0, rest.size() - utf8.size()));
  }
  return out;
}

}  // namespace

Canvas::Canvas(int width, int height, Colour background) : width_(width), height_(height) {
  const std::uint64_t limit = DecodeLimits{}.pixels;
  if (width < 1 || height < 1 || std::uint64_t(width) * std::uint64_t(height) > limit)
    throw MediaError("sheet: expected at most " + std::to_string(limit) + " pixels, got " +
                     std::to_string(width) + "x" + std::to_string(height));
  rgb_.resize(std::size_t(width) * std::size_t(height) * 3);
  fill({0, 0, width, height}, background);
}

void Canvas::fill(const Area& area, Colour colour, int opacity) {
  const int left = std::max(area.x, 0), right = std::min(area.x + area.width, width_);
  const int top = std::max(area.y, 0), bottom = std::min(area.y + area.height, height_);
  const int channels[] = {colour.red, colour.green, colour.blue};
  for (int y = top; y < bottom; ++y)
    for (int x = left; x < right; ++x) {
      std::uint8_t* pixel = rgb_.data() + (std::size_t(y) * std::size_t(width_) + std::size_t(x)) * 3;
      for (int c = 0; c < 3; ++c)
        pixel[c] = std::uint8_t((channels[c] * opacity + pixel[c] * (255 - opacity) + 127) / 255);
    }
}

void Canvas::frame(const Area& area, int thickness, Colour colour) {
  fill({area.x, area.y, area.width, thickness}, colour);
  fill({area.x, area.y + area.height - thickness, area.width, thickness}, colour);
  fill({area.x, area.y, thickness, area.height}, colour);
  fill({area.x + area.width - thickness, area.y, thickness, area.height}, colour);
}

void Canvas::draw(const Image& image, int x, int y, int zoom) {
  const int width = std::min(image.width() * zoom, width_ - x),
            height = std::min(image.height() * zoom, height_ - y);
  for (int row = std::max(0, -y); row < height; ++row) {
    const std::uint8_t* from = image.row(row / zoom);
    std::uint8_t* to = rgb_.data() + (std::size_t(y + row) * std::size_t(width_)) * 3;
    for (int column = std::max(0, -x); column < width; ++column)
      std::memcpy(to + 3 * (x + column), from + 3 * (column / zoom), 3);
  }
}

void Canvas::text(int x, int y, std::string_view utf8, Colour colour, int zoom) {
  for (; !utf8.empty(); x += kGlyphWidth * zoom) {
    const std::uint8_t* rows = glyph(take_character(utf8));
    for (int row = 0; row < kGlyphHeight; ++row)
      for (int bit = 0; bit < kGlyphWidth; ++bit)
        if ((rows[row] & (0x80 >> bit)) != 0) fill({x + bit * zoom, y + row * zoom, zoom, zoom}, colour);
  }
}

Image Canvas::image() const { return Image::from_rgb(width_, height_, rgb_); }

int Canvas::text_width(std::string_view utf8, int zoom) {
  return int(characters(utf8).size()) * kGlyphWidth * zoom;
}

std::string shortened(std::string_view utf8, int letters) {
  const auto all = characters(utf8);
  if (int(all.size()) <= letters) return std::string(utf8);
  const std::size_t kept = std::size_t(std::max(letters - 3, 0)), head = kept / 3;
  std::string out;
  for (std::size_t i = 0; i < head; ++i) out.append(all[i]);
  out.append("...");
  for (std::size_t i = all.size() - (kept - head); i < all.size(); ++i) out.append(all[i]);
  return out;
}

}  // namespace mlx_vision::cli
