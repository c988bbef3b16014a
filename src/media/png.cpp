#include <algorithm>
#include <array>
#include <optional>

#include "media/codec.h"
#include "media/convert.h"
#include "media/exif.h"
#include "media/png_chunks.h"
#include "media/png_rows.h"

namespace mlx_vision::media {
namespace {

enum Colour { kGray = 0, kRgb = 2, kPalette = 3, kGrayAlpha = 4, kRgba = 6 };

/// Turns rows of PNG samples into RGB, as Pillow's modes and their conversion do.
class RowConverter {
 public:
  RowConverter(const PngChunks& chunks, AlphaMode alpha)
      : colour_(chunks.colour), depth_(chunks.depth), alpha_(alpha), key_(key(chunks)) {
    const std::size_t entries = std::min<std::size_t>(chunks.palette.size() / 3, 256);
    for (std::size_t i = 0; i < 256; ++i) {
      for (std::size_t c = 0; c < 3; ++c) palette_[i][c] = i < entries ? chunks.palette[3 * i + c] : 0;
      palette_[i][3] = colour_ == kPalette && i < chunks.transparency.size() ? chunks.transparency[i] : 255;
    }
  }

  void convert(const std::uint8_t* in, std::uint8_t* out, int width) const {
    for (int x = 0; x < width; ++x, out += 3) {
      const std::array<std::uint8_t, 4> pixel = rgba(in, x);
      put_rgba(pixel.data(), out, alpha_);
    }
  }

 private:
  using Pixel = std::array<std::uint8_t, 4>;
  using Key = std::array<std::uint32_t, 3>;

  /// The colour that tRNS makes transparent; Pillow compares it with 8-bit samples only.
  static std::optional<Key> key(const PngChunks& chunks) {
    const Bytes t = chunks.transparency;
    const auto u16 = [&](std::size_t i) { return std::uint32_t(t[2 * i]) << 8 | t[2 * i + 1]; };
    if (chunks.colour == kGray && chunks.depth == 1 && t.size() >= 2) {
      const std::uint32_t value = u16(0) != 0 ? 255 : 0;
      return Key{value, value, value};
    }
    if (chunks.colour == kGray && chunks.depth < 16 && t.size() >= 2) return Key{u16(0), u16(0), u16(0)};
    if (chunks.colour == kRgb && t.size() >= 6) return Key{u16(0), u16(1), u16(2)};
    return std::nullopt;
  }

  std::uint32_t bits(const std::uint8_t* in, int x) const {
    const int at = x * depth_;
    return std::uint32_t(in[at / 8] >> (8 - depth_ - at % 8)) & ((1u << depth_) - 1);
  }

  static unsigned sample16(const std::uint8_t* in, int index) {
    return unsigned(in[2 * index]) << 8 | in[2 * index + 1];
  }

  Pixel opaque(std::uint8_t r, std::uint8_t g, std::uint8_t b) const {
    const bool is_key = key_ && (*key_)[0] == r && (*key_)[1] == g && (*key_)[2] == b;
    return {r, g, b, std::uint8_t(is_key ? 0 : 255)};
  }

  Pixel gray(const std::uint8_t* in, int x) const {
    static constexpr std::uint8_t kScale[9] = {0, 255, 85, 0, 17, 0, 0, 0, 1};
    const std::uint8_t v =
        depth_ == 16 ? clip_gray16(sample16(in, x)) : std::uint8_t(bits(in, x) * kScale[depth_]);
    return depth_ == 16 ? Pixel{v, v, v, 255} : opaque(v, v, v);
  }

  Pixel rgba(const std::uint8_t* in, int x) const {
    const auto sample = [&](int channels, int c) {
      const int index = x * channels + c;
      return depth_ == 16 ? std::uint8_t(sample16(in, index) >> 8) : in[index];
    };
    switch (colour_) {
      case kGray:
        return gray(in, x);
      case kRgb:
        return opaque(sample(3, 0), sample(3, 1), sample(3, 2));
      case kPalette:
        return palette_[bits(in, x)];
      case kGrayAlpha:
        return {sample(2, 0), sample(2, 0), sample(2, 0), sample(2, 1)};
      default:
        return {sample(4, 0), sample(4, 1), sample(4, 2), sample(4, 3)};
    }
  }

  int colour_, depth_;
  AlphaMode alpha_;
  std::optional<Key> key_;
  std::array<Pixel, 256> palette_ = {};
};

/// Pillow's name of the mode; empty for combinations that PNG does not have.
std::string mode_name(const PngChunks& chunks) {
  const int depth = chunks.depth;
  const bool small = depth == 1 || depth == 2 || depth == 4 || depth == 8, wide = depth == 8 || depth == 16;
  switch (chunks.colour) {
    case kGray:
      return depth == 1 ? "1" : depth == 16 ? "I;16" : small ? "L" : "";
    case kRgb:
      return wide ? "RGB" : "";
    case kPalette:
      return small ? "P" : "";
    case kGrayAlpha:
      return depth == 8 ? "LA" : depth == 16 ? "RGBA" : "";
    case kRgba:
      return wide ? "RGBA" : "";
    default:
      return "";
  }
}

/// Columns and rows that a pass of an interlaced picture holds; the last entry is a picture in one pass.
struct Pass {
  int left, top, right, down;
};
constexpr Pass kPasses[] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                            {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}, {0, 0, 1, 1}};

void read_pass(const PngChunks& chunks, const Pass& pass, PngRows& rows, const RowConverter& converter,
               Picture& picture) {
  const int width = (chunks.data_width - pass.left + pass.right - 1) / pass.right;
  if (width <= 0 || pass.top >= chunks.data_height) return;
  const bool is_whole = pass.right == 1;
  std::vector<std::uint8_t> rgb(is_whole ? 0 : std::size_t(width) * 3);
  rows.start_pass(std::size_t(width));
  for (int y = pass.top; y < chunks.data_height; y += pass.down) {
    std::uint8_t* out = picture.row(chunks.top + y) + 3 * (chunks.left + pass.left);
    converter.convert(rows.next(y), is_whole ? out : rgb.data(), width);
    if (is_whole) continue;
    for (int x = 0; x < width; ++x)
      std::copy_n(rgb.data() + 3 * x, 3, out + std::ptrdiff_t(3) * x * pass.right);
  }
}

}  // namespace

Picture decode_png(const Source& source) {
  const PngChunks chunks = read_png_chunks(source);
  const std::string mode = mode_name(chunks);
  if (mode.empty())
    source.fail("PNG: colour type " + std::to_string(chunks.colour) + " with " +
                std::to_string(chunks.depth) + " bits is not defined");
  if (chunks.colour == kPalette && chunks.palette.size() / 3 > 256)
    source.fail("PNG data are damaged: a palette of more than 256 colours");
  if (chunks.data_width < 1 || chunks.data_height < 1)
    source.fail("PNG data are damaged: an empty first frame");
  const ImageInfo info{.format = "PNG",
                       .mode = mode,
                       .width = chunks.width,
                       .height = chunks.height,
                       .orientation = choose_orientation(chunks.exif, chunks.xmp)};
  if (source.header_only) return Picture::header(info);
  Picture picture = Picture::blank(info);
  const RowConverter converter(chunks, source.options.alpha);
  PngRows rows(source, chunks);
  const std::size_t first = chunks.interlaced ? 0 : 7, last = chunks.interlaced ? 6 : 7;
  for (std::size_t i = first; i <= last; ++i) read_pass(chunks, kPasses[i], rows, converter, picture);
  rows.finish();
  return picture;
}

}  // namespace mlx_vision::media
