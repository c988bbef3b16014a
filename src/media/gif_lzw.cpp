#include "media/gif_lzw.h"

#include "media/byte_reader.h"

namespace mlx_vision::media {
namespace {

constexpr int kMaxBits = 12;
constexpr int kTable = 1 << kMaxBits;

/// Puts indices into rows in the order that an interlaced picture stores them.
class RowOrder {
 public:
  RowOrder(const GifData& data, std::vector<std::uint8_t>& pixels)
      : width_(data.width),
        height_(data.height),
        pass_(data.interlaced ? 0 : 3),
        step_(data.interlaced ? 8 : 1),
        pixels_(pixels) {}

  /// False once the picture is full.
  bool put(std::uint8_t index) {
    pixels_[std::size_t(y_) * std::size_t(width_) + std::size_t(x_)] = index;
    return ++x_ < width_ || next_row();
  }

 private:
  bool next_row() {
    static constexpr int kStart[] = {0, 4, 2, 1}, kStep[] = {8, 8, 4, 2};
    x_ = 0;
    y_ += step_;
    while (y_ >= height_) {
      if (pass_ == 3) return false;
      y_ = kStart[++pass_];
      step_ = kStep[pass_];
    }
    return true;
  }

  int width_, height_, pass_, step_;
  int x_ = 0, y_ = 0;
  std::vector<std::uint8_t>& pixels_;
};

class LzwReader {
 public:
  LzwReader(const Source& source, const GifData& data)
      : source_(source), at_(data.offset), bits_(data.code_bits), clear_(1 << bits_) {
    reset();
  }

  void read(RowOrder& rows) {
    for (;;) {
      const int code = next_code();
      if (code == clear_) {
        if (previous_ >= 0) reset();
        continue;
      }
      if (code == clear_ + 1) source_.truncated("GIF", "the picture ends before its last row");
      if (!expand(code))
        source_.fail("GIF data are damaged: code " + std::to_string(code) + " is not in the table");
      while (depth_ > 0)
        if (!rows.put(stack_[std::size_t(--depth_)])) return;
    }
  }

 private:
  void reset() {
    next_ = clear_ + 2;
    size_ = bits_ + 1;
    previous_ = -1;
  }

  int next_code() {
    while (bit_count_ < size_) {
      if (block_ == 0) {
        // A block that is not wholly there is not used, even where the picture needs only its beginning.
        const ByteReader in(source_.bytes);
        const auto size = in.u8(at_);
        if (!size || !in.has(at_ + 1, *size)) source_.truncated("GIF", "the last block is not there");
        block_ = *size;
        ++at_;
        continue;
      }
      bit_buffer_ |= std::uint32_t(source_.bytes[at_++]) << bit_count_;
      bit_count_ += 8;
      --block_;
    }
    const int code = int(bit_buffer_ & ((1u << size_) - 1));
    bit_buffer_ >>= size_;
    bit_count_ -= size_;
    return code;
  }

  /// Puts the string of `code` on the stack, last index first, and its successor into the table.
  bool expand(int code) {
    depth_ = 0;
    if (previous_ < 0) {
      if (code > clear_) return false;
      first_ = std::uint8_t(code);
      previous_ = code;
      return push(first_);
    }
    if (code > next_) return false;
    int link = code;
    if (code == next_) {
      if (!push(first_)) return false;
      link = previous_;
    }
    while (link >= clear_) {
      if (link >= kTable || !push(index_[std::size_t(link)])) return false;
      link = link_[std::size_t(link)];
    }
    first_ = std::uint8_t(link);
    if (!push(first_)) return false;
    if (next_ < kTable) {
      index_[std::size_t(next_)] = first_;
      link_[std::size_t(next_)] = std::uint16_t(previous_);
      if (next_ == (1 << size_) - 1 && size_ < kMaxBits) ++size_;
      ++next_;
    }
    previous_ = code;
    return true;
  }

  bool push(std::uint8_t index) {
    if (std::size_t(depth_) >= stack_.size()) return false;
    stack_[std::size_t(depth_++)] = index;
    return true;
  }

  const Source& source_;
  std::uint64_t at_;
  int bits_, clear_;
  int next_ = 0, size_ = 0, previous_ = -1;
  std::uint8_t first_ = 0;
  int block_ = 0, bit_count_ = 0;
  std::uint32_t bit_buffer_ = 0;
  int depth_ = 0;
  std::array<std::uint8_t, kTable> index_ = {};
  std::array<std::uint16_t, kTable> link_ = {};
  std::array<std::uint8_t, kTable + 2> stack_ = {};
};

}  // namespace

std::vector<std::uint8_t> decode_gif_data(const Source& source, const GifData& data) {
  if (data.code_bits > kMaxBits)
    source.fail("GIF data are damaged: expected codes of at most 12 bits, got " +
                std::to_string(data.code_bits));
  std::vector<std::uint8_t> pixels(std::size_t(data.width) * std::size_t(data.height));
  RowOrder rows(data, pixels);
  LzwReader(source, data).read(rows);
  return pixels;
}

}  // namespace mlx_vision::media
