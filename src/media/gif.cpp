#include <algorithm>
#include <array>
#include <optional>

#include "media/byte_reader.h"
#include "media/codec.h"
#include "media/convert.h"
#include "media/gif_lzw.h"

// The first frame of a GIF. An own reader, because giflib refuses files that Pillow shows and the format is
// small.

namespace mlx_vision::media {
namespace {

struct Frame {
  int left = 0, top = 0;
  GifData data;
  std::optional<Bytes> palette;  ///< of its own
};

class Reader {
 public:
  explicit Reader(const Source& source) : source_(source), in_(source.bytes) {}

  Picture decode() {
    read_screen();
    find_frame();
    const int right = frame_.left + frame_.data.width, bottom = frame_.top + frame_.data.height;
    width_ = std::max(width_, right);
    height_ = std::max(height_, bottom);
    source_.check_size(width_, height_);
    source_.check_size(frame_.data.width, frame_.data.height);
    const Bytes palette = frame_.palette.value_or(palette_);
    const ImageInfo info{
        .format = "GIF", .mode = is_needed(palette) ? "P" : "L", .width = width_, .height = height_};
    if (source_.header_only) return Picture::header(info);
    const std::vector<std::uint8_t> indices = decode_gif_data(source_, frame_.data);
    Picture picture = Picture::blank(info);
    draw(indices, colours(palette), picture);
    return picture;
  }

 private:
  using Colours = std::array<std::array<std::uint8_t, 4>, 256>;

  std::uint8_t byte(std::uint64_t at) const {
    const auto value = in_.u8(at);
    if (!value) source_.truncated("GIF", "no picture before the end of the file");
    return *value;
  }
  int u16(std::uint64_t at) const { return byte(at) | byte(at + 1) << 8; }

  Bytes read_palette(unsigned flags) {
    const std::size_t size = std::size_t(3) << ((flags & 7) + 1);
    const Bytes palette = in_.part(at_, size);
    if (palette.empty()) source_.truncated("GIF", "the palette is incomplete");
    at_ += size;
    return palette;
  }

  /// A palette that holds each index's own gray says nothing.
  static bool is_needed(Bytes palette) {
    for (std::size_t i = 0; i < palette.size(); ++i)
      if (palette[i] != i / 3) return true;
    return false;
  }

  void read_screen() {
    width_ = u16(6);
    height_ = u16(8);
    const unsigned flags = byte(10);
    byte(12);
    at_ = 13;
    if (flags & 0x80) palette_ = read_palette(flags);
  }

  /// One sub-block; empty at the end of a sequence.
  Bytes block() {
    const auto size = in_.u8(at_);
    if (!size) return {};
    const std::uint64_t available = std::min<std::uint64_t>(*size, in_.size() - at_ - 1);
    const Bytes bytes = in_.part(at_ + 1, available);
    at_ += 1 + std::uint64_t(*size);
    return bytes;
  }

  void read_extension() {
    const std::uint8_t label = byte(at_++);
    const Bytes first = block();
    if (label == 0xf9 && !first.empty()) {
      const bool is_transparent = first[0] & 1;
      if (first.size() < (is_transparent ? 4 : 3))
        source_.fail("GIF data are damaged: a short graphic control block");
      if (is_transparent) transparent_ = first[3];
    }
    if (first.empty()) return;
    while (!block().empty()) {
    }
  }

  void find_frame() {
    for (;;) {
      const std::uint8_t mark = byte(at_++);
      if (mark == ';') source_.fail("GIF: expected a picture, got an empty file");
      if (mark == '!') read_extension();
      if (mark == ',') break;
    }
    frame_.left = u16(at_);
    frame_.top = u16(at_ + 2);
    frame_.data.width = u16(at_ + 4);
    frame_.data.height = u16(at_ + 6);
    const unsigned flags = byte(at_ + 8);
    at_ += 9;
    frame_.data.interlaced = flags & 0x40;
    if (flags & 0x80) frame_.palette = read_palette(flags);
    frame_.data.code_bits = byte(at_++);
    frame_.data.offset = at_;
  }

  Colours colours(Bytes palette) const {
    Colours table = {};
    const bool has_colours = is_needed(palette);
    for (std::size_t i = 0; i < 256; ++i) {
      for (std::size_t c = 0; c < 3; ++c)
        table[i][c] = !has_colours ? std::uint8_t(i) : 3 * i + c < palette.size() ? palette[3 * i + c] : 0;
      table[i][3] = transparent_ == int(i) ? 0 : 255;
    }
    return table;
  }

  void draw(const std::vector<std::uint8_t>& indices, const Colours& table, Picture& picture) const {
    const GifData& data = frame_.data;
    const auto& ground = table[std::size_t(std::max(transparent_, 0))];
    for (int y = 0; y < picture.height; ++y) {
      std::uint8_t* out = picture.row(y);
      const bool has_row = y >= frame_.top && y < frame_.top + data.height;
      for (int x = 0; x < picture.width; ++x, out += 3) {
        const bool is_inside = has_row && x >= frame_.left && x < frame_.left + data.width;
        const std::size_t at =
            std::size_t(y - frame_.top) * std::size_t(data.width) + std::size_t(x - frame_.left);
        put_rgba((is_inside ? table[indices[at]] : ground).data(), out, source_.options.alpha);
      }
    }
  }

  const Source& source_;
  ByteReader in_;
  std::uint64_t at_ = 0;
  int width_ = 0, height_ = 0, transparent_ = -1;
  Bytes palette_;
  Frame frame_;
};

}  // namespace

Picture decode_gif(const Source& source) { return Reader(source).decode(); }

}  // namespace mlx_vision::media
