#include "media/jpeg_rows.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "media/convert.h"

namespace mlx_vision::media {
namespace {

/// Before a row of samples, for the repeated first one.
constexpr std::size_t kLead = 16;

}  // namespace

std::size_t JpegBands::size() const {
  if (channels > 0) return (std::size_t(rows) * std::size_t(width) * std::size_t(channels) + 1) / 2;
  std::size_t size = 0;
  for (const Component& c : components) size += std::size_t(c.block_rows) * c.blocks * kBlockSize;
  return size;
}

std::uint8_t* JpegRows::Plane::row(int index) {
  return storage.data() + kLead + std::size_t(index + 1) * pitch;
}

const std::uint8_t* JpegRows::Plane::row(int index) const {
  return storage.data() + kLead + std::size_t(index + 1) * pitch;
}

JpegRows::JpegRows(const JpegBands& bands) : bands_(bands) {
  if (bands_.channels > 0) return;
  for (std::size_t c = 0; c < planes_.size(); ++c) {
    const JpegBands::Component& component = bands_.components[c];
    planes_[c].pitch = kLead + component.blocks * kBlockSide + kSampleSlack;
    planes_[c].storage.resize(planes_[c].pitch * (1 + std::size_t(component.block_rows) * kBlockSide));
  }
}

void JpegRows::take(std::int16_t* band) {
  const int end = std::min(bands_.height, (taken_ + 1) * bands_.rows);
  first_ = last_;
  if (bands_.channels > 0) {
    pixels_ = reinterpret_cast<std::uint8_t*>(band);
    // As Pillow, all four-component files are taken for Adobe's, which store the inverse.
    if (bands_.channels == 4)
      for (std::int16_t& inks : std::span(band, bands_.size())) inks = std::int16_t(~inks);
  } else {
    transform(band);
  }
  ++taken_;
  last_ = bands_.has_halved_rows() && end < bands_.height ? end - 1 : end;
}

void JpegRows::transform(std::int16_t* band) {
  std::int16_t* blocks = band;
  for (std::size_t c = 0; c < planes_.size(); ++c) {
    const JpegBands::Component& component = bands_.components[c];
    Plane& plane = planes_[c];
    const int rows = component.block_rows * int(kBlockSide);
    std::memcpy(plane.row(-1), plane.row(rows - 1), plane.pitch - kLead);
    for (int i = 0; i < component.block_rows; ++i, blocks += component.blocks * kBlockSize)
      inverse_dct(blocks, component.blocks, component.quant, plane.row(i * int(kBlockSide)), plane.pitch);
    if (c == 0 || bands_.sampling == ChromaSampling::full) continue;
    for (int i = -1; i < rows; ++i) {
      std::uint8_t* row = plane.row(i);
      row[-1] = row[0];
      row[component.width] = row[component.width - 1];
    }
  }
  std::fill(band, blocks, std::int16_t(0));
}

void JpegRows::make(int y, std::uint8_t* rgb) const {
  const int top = (taken_ - 1) * bands_.rows;
  if (pixels_ != nullptr)
    return convert(pixels_ + std::size_t(y - top) * std::size_t(bands_.width) * std::size_t(bands_.channels),
                   rgb);
  YccRow row{.luma = planes_[0].row(y - top)};
  const int halved = int(bands_.has_halved_rows());
  // The row above an even row and below an odd one is the next nearest; above the first and below the last
  // there are only themselves.
  const int nearest = y >> halved, next = y % 2 == 0 ? nearest - 1 : nearest + 1;
  for (std::size_t c = 0; c < 2; ++c) {
    const int first = top >> halved, last = bands_.components[c + 1].height - 1;
    row.nearest[c] = planes_[c + 1].row(nearest - first);
    row.next[c] = planes_[c + 1].row(halved ? std::clamp(next, 0, last) - first : nearest - first);
  }
  ycc_to_rgb(row, bands_.sampling, std::size_t(bands_.width), rgb);
}

void JpegRows::convert(const std::uint8_t* pixels, std::uint8_t* rgb) const {
  const std::size_t width = std::size_t(bands_.width);
  if (bands_.channels == 1)
    gray_to_rgb(pixels, rgb, width);
  else if (bands_.channels == 3)
    std::memcpy(rgb, pixels, width * 3);
  else
    cmyk_to_rgb(pixels, rgb, width);
}

}  // namespace mlx_vision::media
