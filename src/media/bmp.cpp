#include <algorithm>
#include <array>

#include "media/byte_reader.h"
#include "media/codec.h"
#include "media/convert.h"

// Windows and OS/2 bitmaps as Pillow's BmpImagePlugin reads them: which headers, masks and damage are
// accepted is its choice, since a picture that it refuses must be refused here.

namespace mlx_vision::media {
namespace {

enum Compression : std::uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitfields = 3 };

/// How a stored pixel becomes RGB.
enum class Kind { black_white, gray, indexed, rgb555, rgb565, bytes };

struct Header {
  std::uint32_t size = 0;
  std::int64_t width = 0, height = 0;
  bool top_down = false;
  unsigned bits = 0;
  std::uint32_t compression = kRaw, colours = 0;
  unsigned palette_entry = 4;  ///< bytes
  std::array<std::uint32_t, 4> masks = {};
  std::uint64_t end = 0;  ///< where the palette starts
};

struct Layout {
  Kind kind = Kind::bytes;
  unsigned bits = 0;                           ///< of a pixel as it is unpacked
  std::array<int, 4> channel = {2, 1, 0, -1};  ///< byte of red, green, blue and alpha in a pixel
};

class Reader {
 public:
  explicit Reader(const Source& source) : source_(source), in_(source.bytes) {}

  Picture decode() {
    read_header();
    source_.check_size(header_.width, header_.height);
    choose_layout();
    if (header_.bits <= 8) read_palette();
    const char* mode = layout_.kind == Kind::black_white ? "1"
                       : layout_.kind == Kind::gray      ? "L"
                       : layout_.kind == Kind::indexed   ? "P"
                       : layout_.channel[3] >= 0         ? "RGBA"
                                                         : "RGB";
    const ImageInfo info{
        .format = "BMP", .mode = mode, .width = int(header_.width), .height = int(header_.height)};
    if (source_.header_only) return Picture::header(info);
    Picture picture = Picture::blank(info);
    const bool is_run_length = header_.compression == kRle8 || header_.compression == kRle4;
    is_run_length ? read_runs(picture) : read_rows(picture);
    return picture;
  }

 private:
  [[noreturn]] void damaged(const std::string& why) const { source_.fail("BMP data are damaged: " + why); }
  std::uint32_t u32(std::uint64_t at) const {
    const auto value = in_.u32(at);
    if (!value) source_.truncated("BMP", "the header is incomplete");
    return *value;
  }
  std::uint32_t u16(std::uint64_t at) const { return u32(at) & 0xffff; }

  void read_header();
  void read_info_header();
  void read_masks();
  void choose_layout();
  void choose_bitfields();
  void read_palette();
  void read_rows(Picture& picture) const;
  void read_runs(Picture& picture) const;
  std::vector<std::uint8_t> expand_runs(std::size_t size) const;
  void convert(const std::uint8_t* in, unsigned bits, std::uint8_t* out) const;
  int target_row(int y) const { return header_.top_down ? y : int(header_.height) - 1 - y; }

  const Source& source_;
  ByteReader in_;
  Header header_;
  Layout layout_;
  std::uint64_t offset_ = 0;
  std::array<std::array<std::uint8_t, 3>, 256> palette_ = {};
};

void Reader::read_header() {
  offset_ = u32(10);
  header_.size = u32(14);
  static constexpr std::uint32_t kSizes[] = {12, 40, 52, 56, 64, 108, 124};
  if (std::find(std::begin(kSizes), std::end(kSizes), header_.size) == std::end(kSizes))
    source_.fail("BMP: a header of " + std::to_string(header_.size) + " bytes is not supported");
  if (!in_.has(14, header_.size)) source_.truncated("BMP", "the header is incomplete");
  header_.end = 14 + header_.size;
  if (header_.size == 12) {
    header_.width = u16(18);
    header_.height = in_.u16(20).value_or(0);
    header_.bits = *in_.u16(24);
    header_.palette_entry = 3;
  } else {
    read_info_header();
  }
  static constexpr unsigned kDepths[] = {1, 4, 8, 16, 24, 32};
  if (std::find(std::begin(kDepths), std::end(kDepths), header_.bits) == std::end(kDepths))
    source_.fail("BMP: " + std::to_string(header_.bits) + " bits a pixel are not supported");
  if (header_.colours == 0) header_.colours = header_.bits < 32 ? 1u << header_.bits : 0xffffffffu;
  if (offset_ == 14 + header_.size && header_.bits <= 8)
    offset_ += std::uint64_t(header_.palette_entry) * header_.colours;
}

void Reader::read_info_header() {
  header_.top_down = in_.u8(25) == 0xff;
  header_.width = u32(18);
  header_.height = header_.top_down ? (1ll << 32) - u32(22) : u32(22);
  header_.bits = u16(28);
  header_.compression = u32(30);
  header_.colours = u32(46);
  if (header_.compression == kBitfields) read_masks();
}

void Reader::read_masks() {
  const bool has_alpha = header_.size >= 56;
  for (std::uint64_t i = 0; i < (has_alpha ? 4 : 3); ++i) header_.masks[i] = u32(54 + 4 * i);
  if (header_.size < 52) header_.end += 12;
}

void Reader::choose_layout() {
  switch (header_.bits) {
    case 16:
      layout_.kind = Kind::rgb555;
      break;
    case 24:
    case 32:
      layout_.kind = Kind::bytes;
      break;
    default:
      layout_.kind = Kind::indexed;
  }
  layout_.bits = header_.bits;
  if (header_.compression == kBitfields)
    choose_bitfields();
  else if (header_.compression > kBitfields)
    source_.fail("BMP: compression " + std::to_string(header_.compression) + " is not supported");
  else if (header_.compression != kRaw && header_.bits > 8)
    source_.fail("BMP: run lengths with " + std::to_string(header_.bits) + " bits a pixel are not supported");
}

void Reader::choose_bitfields() {
  struct Known {
    unsigned bits;
    std::array<std::uint32_t, 4> masks;
    Layout layout;
  };
  static constexpr Known kKnown[] = {
      {32, {0xff0000, 0xff00, 0xff, 0}, {Kind::bytes, 32, {2, 1, 0, -1}}},
      {32, {0xff000000, 0xff0000, 0xff00, 0}, {Kind::bytes, 32, {3, 2, 1, -1}}},
      {32, {0xff000000, 0xff00, 0xff, 0}, {Kind::bytes, 32, {3, 1, 0, -1}}},
      {32, {0xff000000, 0xff0000, 0xff00, 0xff}, {Kind::bytes, 32, {3, 2, 1, 0}}},
      {32, {0xff, 0xff00, 0xff0000, 0xff000000}, {Kind::bytes, 32, {0, 1, 2, 3}}},
      {32, {0xff0000, 0xff00, 0xff, 0xff000000}, {Kind::bytes, 32, {2, 1, 0, 3}}},
      {32, {0xff000000, 0xff00, 0xff, 0xff0000}, {Kind::bytes, 32, {3, 1, 0, 2}}},
      {32, {0, 0, 0, 0}, {Kind::bytes, 32, {2, 1, 0, 3}}},
      {24, {0xff0000, 0xff00, 0xff, 0}, {Kind::bytes, 24, {2, 1, 0, -1}}},
      {16, {0xf800, 0x7e0, 0x1f, 0}, {Kind::rgb565, 16, {}}},
      {16, {0x7c00, 0x3e0, 0x1f, 0}, {Kind::rgb555, 16, {2, 1, 0, -1}}},
  };
  for (const Known& known : kKnown) {
    const int compared = known.bits == 32 ? 4 : 3;
    if (known.bits == header_.bits &&
        std::equal(known.masks.begin(), known.masks.begin() + compared, header_.masks.begin())) {
      layout_ = known.layout;
      if (layout_.bits < 24) layout_.channel[3] = -1;
      return;
    }
  }
  source_.fail("BMP: these colour masks are not supported");
}

void Reader::read_palette() {
  const std::uint32_t count = header_.colours;
  if (count > 65536) source_.fail("BMP: a palette of " + std::to_string(count) + " colours is not supported");
  const std::uint64_t entry = header_.palette_entry;
  const Bytes bytes = source_.bytes.subspan(std::min<std::uint64_t>(header_.end, in_.size()));
  const Bytes palette = bytes.subspan(0, std::min<std::uint64_t>(bytes.size(), entry * count));
  if (offset_ == 0) offset_ = header_.end + palette.size();
  bool is_gray = true;
  for (std::uint64_t i = 0; i < count && is_gray; ++i) {
    const auto value = std::uint8_t(count == 2 ? 255 * i : i);
    is_gray = palette.size() >= i * entry + 3 && palette[i * entry] == value &&
              palette[i * entry + 1] == value && palette[i * entry + 2] == value;
  }
  if (is_gray) {
    layout_.kind = count <= 2 ? Kind::black_white : Kind::gray;
    layout_.bits = count <= 2 ? 1 : 8;
    return;
  }
  const std::uint64_t stored = palette.size() / entry;
  if (stored > 256)
    source_.fail("BMP: expected a palette of at most 256 colours, got " + std::to_string(stored));
  for (std::uint64_t i = 0; i < stored; ++i)
    palette_[i] = {palette[i * entry + 2], palette[i * entry + 1], palette[i * entry]};
}

void Reader::convert(const std::uint8_t* in, unsigned bits, std::uint8_t* out) const {
  for (std::uint64_t x = 0; x < std::uint64_t(header_.width); ++x, out += 3) {
    const std::uint64_t at = x * bits;
    const std::uint8_t* pixel = in + at / 8;
    const unsigned index =
        bits >= 8 ? pixel[0] : unsigned(pixel[0] >> (8 - bits - at % 8)) & ((1u << bits) - 1);
    const unsigned word = bits == 16 ? pixel[0] | unsigned(pixel[1]) << 8 : 0;
    const auto expand = [&](int shift, unsigned mask) {
      return std::uint8_t((word >> shift & mask) * 255 / mask);
    };
    switch (layout_.kind) {
      case Kind::black_white:
        out[0] = out[1] = out[2] = index != 0 ? 255 : 0;
        break;
      case Kind::gray:
        out[0] = out[1] = out[2] = std::uint8_t(index);
        break;
      case Kind::indexed:
        std::copy_n(palette_[index].begin(), 3, out);
        break;
      case Kind::rgb555:
        out[0] = expand(10, 31), out[1] = expand(5, 31), out[2] = expand(0, 31);
        break;
      case Kind::rgb565:
        out[0] = expand(11, 31), out[1] = expand(5, 63), out[2] = expand(0, 31);
        break;
      case Kind::bytes: {
        const auto& c = layout_.channel;
        const std::uint8_t rgba[] = {pixel[c[0]], pixel[c[1]], pixel[c[2]],
                                     c[3] < 0 ? std::uint8_t(255) : pixel[c[3]]};
        put_rgba(rgba, out, source_.options.alpha);
      }
    }
  }
}

void Reader::read_rows(Picture& picture) const {
  if (offset_ == 0 && header_.bits > 8) source_.fail("BMP: expected the place of the pixels, got 0");
  const std::uint64_t stride = (std::uint64_t(header_.width) * header_.bits + 31) >> 3 & ~std::uint64_t(3);
  const std::uint64_t used = (std::uint64_t(header_.width) * layout_.bits + 7) / 8;
  if (used > stride) damaged("rows of " + std::to_string(stride) + " bytes cannot hold the pixels");
  for (int y = 0; y < picture.height; ++y) {
    const Bytes row = in_.part(offset_ + std::uint64_t(y) * stride, used);
    if (row.empty())
      source_.truncated(
          "BMP", "row " + std::to_string(y) + " of " + std::to_string(picture.height) + " is not there");
    convert(row.data(), layout_.bits, picture.row(target_row(y)));
  }
}

std::vector<std::uint8_t> Reader::expand_runs(std::size_t size) const {
  const bool nibbles = header_.compression == kRle4;
  const std::size_t width = std::size_t(header_.width);
  std::vector<std::uint8_t> data;
  data.reserve(size + 256);
  std::size_t x = 0;
  for (std::uint64_t at = offset_; data.size() < size && in_.has(at, 2);) {
    const std::uint8_t run = *in_.u8(at), value = *in_.u8(at + 1);
    at += 2;
    if (run > 0) {
      const std::size_t count = std::min<std::size_t>(run, width > x ? width - x : 0);
      for (std::size_t i = 0; i < count; ++i)
        data.push_back(nibbles ? std::uint8_t(i % 2 == 0 ? value >> 4 : value & 15) : value);
      x += count;
    } else if (value == 0) {
      data.resize((data.size() + width - 1) / width * width);
      x = 0;
    } else if (value == 1) {
      break;
    } else if (value == 2) {
      if (!in_.has(at, 2)) break;
      const std::size_t gap = *in_.u8(at) + *in_.u8(at + 1) * width;
      at += 2;
      data.resize(data.size() + std::min(size - data.size(), gap));
      x = data.size() % width;
    } else {
      const std::size_t count = std::min<std::size_t>(size - data.size(), value);
      const std::size_t stored = nibbles ? (count + 1) / 2 : count;
      const std::size_t available = std::min<std::size_t>(stored, in_.size() - at);
      for (std::size_t i = 0; i < available; ++i) {
        const std::uint8_t byte = *in_.u8(at + i);
        data.push_back(nibbles ? byte >> 4 : byte);
        if (nibbles && 2 * i + 1 < count) data.push_back(byte & 15);
      }
      if (available < stored || data.size() == size) break;
      x += value;
      at += stored;
      at += at % 2;
    }
  }
  return data;
}

void Reader::read_runs(Picture& picture) const {
  const std::size_t width = std::size_t(picture.width), size = width * std::size_t(picture.height);
  const std::vector<std::uint8_t> data = expand_runs(size);
  if (data.size() < size)
    source_.truncated("BMP",
                      "expected " + std::to_string(size) + " pixels, got " + std::to_string(data.size()));
  for (int y = 0; y < picture.height; ++y)
    convert(data.data() + std::size_t(y) * width, 8, picture.row(target_row(y)));
}

}  // namespace

Picture decode_bmp(const Source& source) { return Reader(source).decode(); }

}  // namespace mlx_vision::media
