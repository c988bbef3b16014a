#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "media/codec.h"
#include "media/convert.h"

// PBM, PGM, PPM in text and binary, and gray PFM, with the arithmetic and the strictness of Pillow's
// PpmImagePlugin.

namespace mlx_vision::media {
namespace {

constexpr std::size_t kTokenLimit = 10;
constexpr std::size_t kBlock = 1 << 20;  // Pillow checks text a block at a time, trailing text included

bool is_space(std::uint8_t c) { return c == ' ' || (c >= 9 && c <= 13); }

class Reader {
 public:
  explicit Reader(const Source& source) : source_(source) {}

  Picture decode() {
    if (source_.bytes.size() < 2) source_.truncated("PNM", "the header is incomplete");
    kind_ = source_.bytes[1];
    at_ = 2;
    if (at_ < source_.bytes.size() && is_space(source_.bytes[at_])) ++at_;
    const std::int64_t width = size("width"), height = size("height");
    source_.check_size(width, height);
    if (kind_ == 'f')
      read_scale();
    else if (kind_ != '1' && kind_ != '4')
      read_maximum();
    const bool is_colour = kind_ == '3' || kind_ == '6';
    const char* mode = kind_ == '1' || kind_ == '4' ? "1"
                       : is_colour                  ? "RGB"
                       : kind_ == 'f'               ? "F"
                       : maximum_ > 255             ? "I"
                                                    : "L";
    const ImageInfo info{.format = "PPM", .mode = mode, .width = int(width), .height = int(height)};
    if (source_.header_only) return Picture::header(info);
    Picture picture = Picture::blank(info);
    if (kind_ == '1') read_plain_bits(picture);
    if (kind_ == '2' || kind_ == '3') read_plain(picture, is_colour);
    if (kind_ == '4') read_bits(picture);
    if (kind_ == '5' || kind_ == '6') read_samples(picture, is_colour);
    if (kind_ == 'f') read_floats(picture);
    return picture;
  }

 private:
  [[noreturn]] void damaged(const std::string& why) const { source_.fail("PNM data are damaged: " + why); }
  [[noreturn]] void truncated(const Picture& picture, std::size_t have, std::size_t need) const {
    source_.truncated("PNM", std::to_string(picture.width) + "x" + std::to_string(picture.height) +
                                 " pixels need " + std::to_string(need) + " values, got " +
                                 std::to_string(have));
  }

  std::string token();
  std::int64_t number(const std::string& text, const char* what) const;
  std::int64_t size(const char* what) { return number(token(), what); }
  void read_maximum();
  void read_scale();
  Bytes data(const Picture& picture, std::size_t row_bytes) const;
  std::uint8_t scaled(std::int64_t value) const;
  std::optional<std::uint8_t> next_character();
  void read_plain_bits(Picture& picture);
  void read_plain(Picture& picture, bool is_colour);
  void read_bits(Picture& picture) const;
  void read_samples(Picture& picture, bool is_colour) const;
  void read_floats(Picture& picture) const;

  const Source& source_;
  std::uint8_t kind_ = 0;
  std::size_t at_ = 0;
  std::int64_t maximum_ = 255;
  bool little_endian_ = false;
};

std::string Reader::token() {
  std::string text;
  const Bytes bytes = source_.bytes;
  while (at_ < bytes.size() && text.size() <= kTokenLimit) {
    const std::uint8_t c = bytes[at_++];
    if (is_space(c)) {
      if (text.empty()) continue;
      break;
    }
    if (c == '#') {
      while (at_ < bytes.size() && bytes[at_] != '\r' && bytes[at_] != '\n') ++at_;
      if (at_ < bytes.size()) ++at_;
      continue;
    }
    text.push_back(char(c));
  }
  if (text.empty()) source_.truncated("PNM", "the header is incomplete");
  if (text.size() > kTokenLimit) damaged("a word of more than 10 characters in the header");
  return text;
}

std::int64_t Reader::number(const std::string& text, const char* what) const {
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') damaged(std::string("expected a number for the ") + what);
    value = value * 10 + (c - '0');
  }
  return value;
}

void Reader::read_maximum() {
  maximum_ = size("largest value");
  if (maximum_ < 1 || maximum_ > 65535)
    damaged("expected a largest value of 1 to 65535, got " + std::to_string(maximum_));
}

void Reader::read_scale() {
  const std::string text = token();
  char* end = nullptr;
  const double scale = std::strtod(text.c_str(), &end);
  if (*end != '\0' || !std::isfinite(scale) || scale == 0) damaged("expected a finite scale other than zero");
  little_endian_ = scale < 0;
}

Bytes Reader::data(const Picture& picture, std::size_t row_bytes) const {
  const std::size_t need = row_bytes * std::size_t(picture.height), have = source_.bytes.size() - at_;
  if (have < need)
    source_.truncated("PNM",
                      "expected " + std::to_string(need) + " bytes of pixels, got " + std::to_string(have));
  return source_.bytes.subspan(at_, need);
}

/// Gray of more than 8 bits is scaled to 16 and then clipped, colours are scaled to 8; halves go to the even
/// side.
std::uint8_t Reader::scaled(std::int64_t value) const {
  const bool is_gray = kind_ == '2' || kind_ == '5';
  const double top = is_gray && maximum_ > 255 ? 65535.0 : 255.0;
  return std::uint8_t(std::min(std::nearbyint(double(value) / double(maximum_) * top), 255.0));
}

/// The next character of text data; comments vanish with their line end, so that they do not part words.
std::optional<std::uint8_t> Reader::next_character() {
  const Bytes bytes = source_.bytes;
  while (at_ < bytes.size() && bytes[at_] == '#') {
    while (at_ < bytes.size() && bytes[at_] != '\n' && bytes[at_] != '\r') ++at_;
    if (at_ < bytes.size()) ++at_;
  }
  return at_ < bytes.size() ? std::optional(bytes[at_++]) : std::nullopt;
}

void Reader::read_plain_bits(Picture& picture) {
  const std::size_t need = picture.rgb.size() / 3, start = at_;
  std::size_t have = 0;
  for (;;) {
    if (have >= need && (at_ - start) % kBlock == 0) break;
    const auto c = next_character();
    if (!c) break;
    if (is_space(*c)) continue;
    if (*c != '0' && *c != '1') damaged("expected 0 or 1 for a pixel");
    if (have < need) std::memset(picture.rgb.data() + 3 * have++, *c == '0' ? 255 : 0, 3);
  }
  if (have < need) truncated(picture, have, need);
}

void Reader::read_plain(Picture& picture, bool is_colour) {
  const std::size_t repeat = is_colour ? 1 : 3, need = picture.rgb.size() / repeat;
  std::string word;
  for (std::size_t have = 0; have < need;) {
    const auto c = next_character();
    if (c && !is_space(*c)) {
      word.push_back(char(*c));
      if (word.size() > kTokenLimit) damaged("a word of more than 10 characters");
      continue;
    }
    if (!word.empty()) {
      const std::int64_t value = number(word, "value");
      if (value > maximum_) damaged("value " + word + " is above the largest, " + std::to_string(maximum_));
      std::memset(picture.rgb.data() + repeat * have++, scaled(value), repeat);
      word.clear();
    }
    if (!c && have < need) truncated(picture, have, need);
  }
}

void Reader::read_bits(Picture& picture) const {
  const std::size_t row_bytes = (std::size_t(picture.width) + 7) / 8;
  const Bytes bits = data(picture, row_bytes);
  for (int y = 0; y < picture.height; ++y)
    for (std::size_t x = 0; x < std::size_t(picture.width); ++x) {
      const bool is_black = bits[std::size_t(y) * row_bytes + x / 8] >> (7 - x % 8) & 1;
      std::memset(picture.row(y) + 3 * x, is_black ? 0 : 255, 3);
    }
}

void Reader::read_samples(Picture& picture, bool is_colour) const {
  const std::size_t size = maximum_ > 255 ? 2 : 1, repeat = is_colour ? 1 : 3;
  const std::size_t count = picture.rgb.size() / repeat;
  const Bytes samples = data(picture, count / std::size_t(picture.height) * size);
  std::vector<std::uint8_t> table(std::size_t(1) << (8 * size));
  for (std::size_t v = 0; v < table.size(); ++v) table[v] = scaled(std::int64_t(v));
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t v = size == 1 ? samples[i] : std::size_t(samples[2 * i]) << 8 | samples[2 * i + 1];
    std::memset(picture.rgb.data() + repeat * i, table[v], repeat);
  }
}

void Reader::read_floats(Picture& picture) const {
  const std::size_t width = std::size_t(picture.width);
  const Bytes samples = data(picture, width * 4);
  for (int y = 0; y < picture.height; ++y)
    for (std::size_t x = 0; x < width; ++x) {
      const std::uint8_t* in = samples.data() + 4 * (std::size_t(y) * width + x);
      std::uint32_t bits = 0;
      for (int i = 0; i < 4; ++i) bits = bits << 8 | in[little_endian_ ? 3 - i : i];
      const std::uint8_t value = clip_float(std::bit_cast<float>(bits));
      std::memset(picture.row(picture.height - 1 - y) + 3 * x, value, 3);
    }
}

}  // namespace

Picture decode_pnm(const Source& source) { return Reader(source).decode(); }

}  // namespace mlx_vision::media
