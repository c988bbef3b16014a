#include "media/png_rows.h"

#include <algorithm>
#include <cstdlib>

namespace mlx_vision::media {
namespace {

constexpr std::size_t kStart = 16;

std::uint8_t paeth(int left, int up, int corner) {
  const int by_left = std::abs(up - corner), by_up = std::abs(left - corner),
            by_corner = std::abs(left + up - 2 * corner);
  if (by_left <= by_up && by_left <= by_corner) return std::uint8_t(left);
  return std::uint8_t(by_up <= by_corner ? up : corner);
}

/// Filters refer to the pixel to the left, `bytes` away; a constant distance lets the compiler unroll.
template <std::size_t bytes>
void add_predicted(int filter, std::uint8_t* row, const std::uint8_t* above, std::size_t size) {
  const auto left = [&](std::size_t i) { return i >= bytes ? int(row[i - bytes]) : 0; };
  const auto corner = [&](std::size_t i) { return i >= bytes ? int(above[i - bytes]) : 0; };
  switch (filter) {
    case 1:
      for (std::size_t i = bytes; i < size; ++i) row[i] = std::uint8_t(row[i] + row[i - bytes]);
      break;
    case 2:
      for (std::size_t i = 0; i < size; ++i) row[i] = std::uint8_t(row[i] + above[i]);
      break;
    case 3:
      for (std::size_t i = 0; i < size; ++i) row[i] = std::uint8_t(row[i] + (left(i) + above[i]) / 2);
      break;
    case 4:
      for (std::size_t i = 0; i < size; ++i)
        row[i] = std::uint8_t(row[i] + paeth(left(i), above[i], corner(i)));
      break;
    default:
      break;
  }
}

}  // namespace

PngRows::PngRows(const Source& source, const PngChunks& chunks) : source_(source), chunks_(chunks) {
  static constexpr std::size_t kChannels[] = {1, 1, 3, 1, 2, 1, 4};
  pixel_bits_ = kChannels[chunks.colour] * std::size_t(chunks.depth);
  pixel_bytes_ = (pixel_bits_ + 7) / 8;
  if (inflateInit(&stream_) != Z_OK) source.fail("PNG: no memory");
}

PngRows::~PngRows() { inflateEnd(&stream_); }

void PngRows::start_pass(std::size_t width) {
  const std::size_t size = kStart + (width * pixel_bits_ + 7) / 8;
  above_.assign(size, 0);
  current_.assign(size, 0);
}

int PngRows::inflate_to(std::uint8_t* to, std::size_t size) {
  stream_.next_out = to;
  stream_.avail_out = uInt(size);
  int status = Z_OK;
  while (status == Z_OK && stream_.avail_out > 0) {
    if (stream_.avail_in == 0 && part_ < chunks_.data.size()) {
      const Bytes part = chunks_.data[part_++];
      stream_.next_in = const_cast<Bytef*>(part.data());
      stream_.avail_in = uInt(part.size());
      continue;
    }
    status = inflate(&stream_, Z_NO_FLUSH);
  }
  return status;
}

bool PngRows::unfilter() {
  std::uint8_t* row = current_.data() + kStart;
  const std::uint8_t* above = above_.data() + kStart;
  const std::size_t size = current_.size() - kStart;
  const int filter = row[-1];
  switch (pixel_bytes_) {
    case 1:
      add_predicted<1>(filter, row, above, size);
      break;
    case 2:
      add_predicted<2>(filter, row, above, size);
      break;
    case 3:
      add_predicted<3>(filter, row, above, size);
      break;
    case 4:
      add_predicted<4>(filter, row, above, size);
      break;
    case 6:
      add_predicted<6>(filter, row, above, size);
      break;
    default:
      add_predicted<8>(filter, row, above, size);
  }
  return filter <= 4;
}

const std::uint8_t* PngRows::next(int y) {
  std::swap(current_, above_);
  const int status = inflate_to(current_.data() + kStart - 1, current_.size() - kStart + 1);
  const auto where = [&] {
    return "row " + std::to_string(y) + " of " + std::to_string(chunks_.data_height);
  };
  if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
    source_.fail("PNG data are damaged: " + where() + " cannot be inflated");
  if (stream_.avail_out > 0) source_.truncated("PNG", where() + " is not there");
  if (!unfilter()) source_.fail("PNG data are damaged: unknown filter in " + where());
  return current_.data() + kStart;
}

void PngRows::finish() {
  // The end of the stream may be missing, but not a chunk that no row needed: that one Pillow reads as a
  // whole.
  if (chunks_.is_cut && part_ < chunks_.data.size()) source_.truncated("PNG", "inside chunk IDAT");
  std::uint8_t more;
  if (inflate_to(&more, 1) == Z_DATA_ERROR)
    source_.fail("PNG data are damaged: wrong checksum of the pixels");
}

}  // namespace mlx_vision::media
