#include <spng.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "media/codec.h"
#include "media/convert.h"
#include "media/exif.h"
#include "media/png_chunks.h"

namespace mlx_vision::media {
namespace {

enum Colour { kGray = 0, kRgb = 2, kPalette = 3, kGrayAlpha = 4, kRgba = 6 };

/// Serves libspng a file of header, palette, data and end chunk only: everything else has been read already
/// and need not be parsed twice. Checksums are left zero, and not looked at.
class PngStream {
 public:
  explicit PngStream(const PngChunks& chunks) {
    static constexpr std::uint8_t kSignature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    head_.assign(std::begin(kSignature), std::end(kSignature));
    start_chunk(13, "IHDR");
    append_u32(std::uint32_t(chunks.data_width));
    append_u32(std::uint32_t(chunks.data_height));
    for (const int v : {chunks.depth, chunks.colour, 0, 0, int(chunks.interlaced)})
      head_.push_back(std::uint8_t(v));
    append_u32(0);
    if (chunks.colour == kPalette) {
      const std::uint32_t entries = 3u << chunks.depth;
      start_chunk(entries, "PLTE");
      head_.resize(head_.size() + entries + 4);
    }
    std::size_t total = 0;
    for (const Bytes& data : chunks.data) total += data.size();
    start_chunk(std::uint32_t(std::min<std::size_t>(total, 0x7fffffff)), "IDAT");
    parts_.push_back(head_);
    parts_.insert(parts_.end(), chunks.data.begin(), chunks.data.end());
  }
  PngStream(const PngStream&) = delete;
  PngStream& operator=(const PngStream&) = delete;

  static int read(spng_ctx*, void* user, void* to, std::size_t size) {
    return static_cast<PngStream*>(user)->copy(static_cast<std::uint8_t*>(to), size) ? 0 : SPNG_IO_EOF;
  }

 private:
  bool copy(std::uint8_t* to, std::size_t size) {
    while (size > 0 && part_ < parts_.size()) {
      const Bytes rest = parts_[part_].subspan(offset_);
      const std::size_t step = std::min(rest.size(), size);
      if (step > 0) std::memcpy(to, rest.data(), step);
      to += step;
      size -= step;
      offset_ += step;
      if (offset_ == parts_[part_].size()) ++part_, offset_ = 0;
    }
    return size == 0;
  }
  void append_u32(std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) head_.push_back(std::uint8_t(value >> shift));
  }
  void start_chunk(std::uint32_t size, const char* name) {
    append_u32(size);
    head_.insert(head_.end(), name, name + 4);
  }

  std::vector<std::uint8_t> head_;
  std::vector<Bytes> parts_;
  std::size_t part_ = 0, offset_ = 0;
};

struct ContextDeleter {
  void operator()(spng_ctx* context) const { spng_ctx_free(context); }
};

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

  /// libspng hands out 16-bit samples in the machine's order.
  static std::uint16_t sample16(const std::uint8_t* in, int index) {
    std::uint16_t value;
    std::memcpy(&value, in + 2 * index, 2);
    return value;
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

class Decoder {
 public:
  Decoder(const Source& source, const PngChunks& chunks)
      : source_(source),
        chunks_(chunks),
        stream_(chunks),
        converter_(chunks, source.options.alpha),
        context_(spng_ctx_new(SPNG_CTX_IGNORE_ADLER32)) {
    if (!context_) source.fail("PNG: no memory");
    check(spng_set_crc_action(context_.get(), SPNG_CRC_USE, SPNG_CRC_USE));
    check(spng_set_png_stream(context_.get(), PngStream::read, &stream_));
    check(spng_decode_image(context_.get(), nullptr, 0, SPNG_FMT_PNG, SPNG_DECODE_PROGRESSIVE));
    std::size_t size = 0;
    check(spng_decoded_image_size(context_.get(), SPNG_FMT_PNG, &size));
    row_bytes_ = size / std::size_t(chunks.data_height);
  }

  void rows(Picture& picture) {
    std::vector<std::uint8_t> row(row_bytes_);
    for (int y = 0; y < chunks_.data_height; ++y) {
      step(spng_decode_row(context_.get(), row.data(), row.size()), y);
      put(picture, row.data(), y);
    }
  }

  /// Rows of the seven passes overlay each other: all are needed before any can be converted.
  void interlaced(Picture& picture) {
    std::vector<std::uint8_t> pixels(row_bytes_ * std::size_t(chunks_.data_height));
    for (int status = 0; status != SPNG_EOI;) {
      spng_row_info info = {};
      step(spng_get_row_info(context_.get(), &info), 0);
      status = spng_decode_row(context_.get(), pixels.data() + info.row_num * row_bytes_, row_bytes_);
      step(status, int(info.row_num));
    }
    for (int y = 0; y < chunks_.data_height; ++y)
      put(picture, pixels.data() + std::size_t(y) * row_bytes_, y);
  }

 private:
  void put(Picture& picture, const std::uint8_t* row, int y) const {
    converter_.convert(row, picture.row(chunks_.top + y) + 3 * chunks_.left, chunks_.data_width);
  }
  void check(int status) const {
    if (status != 0) source_.fail("PNG data are damaged: " + std::string(spng_strerror(status)));
  }
  void step(int status, int y) const {
    if (status == 0 || status == SPNG_EOI) return;
    const std::string row = "row " + std::to_string(y) + " of " + std::to_string(chunks_.data_height);
    if (status == SPNG_IO_EOF || status == SPNG_EIDAT_TOO_SHORT)
      source_.truncated("PNG", row + " is not there");
    source_.fail("PNG data are damaged: " + row + ": " + spng_strerror(status));
  }

  const Source& source_;
  const PngChunks& chunks_;
  PngStream stream_;
  RowConverter converter_;
  std::unique_ptr<spng_ctx, ContextDeleter> context_;
  std::size_t row_bytes_ = 0;
};

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
  Decoder decoder(source, chunks);
  Picture picture = Picture::blank({.format = "PNG",
                                    .mode = mode,
                                    .width = chunks.width,
                                    .height = chunks.height,
                                    .orientation = choose_orientation(chunks.exif, chunks.xmp)});
  chunks.interlaced ? decoder.interlaced(picture) : decoder.rows(picture);
  return picture;
}

}  // namespace mlx_vision::media
