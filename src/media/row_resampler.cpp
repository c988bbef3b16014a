#include "media/row_resampler.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mlx_vision/error.h"

namespace mlx_vision::media {
namespace {

constexpr std::size_t kMaxWindowBytes = std::size_t(1) << 30;

}  // namespace

ResizePlan::ResizePlan(ResizePasses passes)
    : vertical(std::move(passes.vertical)),
      in_width(passes.horizontal.in),
      out_width(passes.horizontal.out),
      horizontal_first(passes.horizontal_first || !vertical.needed) {
  if (passes.horizontal.needed) columns.emplace(passes.horizontal);
}

RowResampler::RowResampler(const ResizePlan& plan, int first, int last, std::uint8_t* out, bool stable)
    : plan_(plan), out_(out), next_output_(first), last_output_(last), stable_(stable) {
  columns_first_ = plan.columns && plan.horizontal_first;
  const ResampleAxis& vertical = plan.vertical;
  if (!vertical.needed) {
    next_input_ = first;
    last_input_ = last;
    return;
  }
  next_input_ = vertical.start[std::size_t(first)];
  last_input_ = vertical.start[std::size_t(last - 1)] + vertical.count[std::size_t(last - 1)];
  ring_ = vertical.taps + kBatch;
  kept_.resize(std::size_t(ring_));
  window_.resize(std::size_t(vertical.taps));
  const std::size_t row_bytes = std::size_t(columns_first_ ? plan.out_width : plan.in_width) * 3;
  pitch_ = row_bytes + kRowSlack;
  if (pitch_ > kMaxWindowBytes / std::size_t(ring_))
    throw MediaError("image: this resize needs " + std::to_string(ring_) + " rows of " +
                     std::to_string(row_bytes) + " bytes at once; choose a size nearer to the picture's");
  if (columns_first_ || !stable_) storage_.resize(pitch_ * std::size_t(ring_));
  if (plan.columns && !columns_first_) wide_.resize(pitch_ * kBatch);
}

void RowResampler::push(const std::uint8_t* const* rows, int count) noexcept {
  if (plan_.vertical.needed) {
    keep(rows, count);
    next_input_ += count;
    make_rows();
    return;
  }
  const std::size_t out_bytes = std::size_t(plan_.out_width) * 3;
  std::uint8_t* to[kBatch];
  for (int i = 0; i < count; ++i, out_ += out_bytes) to[i] = out_;
  if (plan_.columns) {
    resample_columns(*plan_.columns, rows, to, count);
  } else {
    for (int i = 0; i < count; ++i) std::memcpy(to[i], rows[i], out_bytes);
  }
  next_input_ += count;
  next_output_ += count;
}

void RowResampler::keep(const std::uint8_t* const* rows, int count) {
  std::uint8_t* to[kBatch];
  for (int i = 0; i < count; ++i) {
    const auto index = std::size_t((next_input_ + i) % ring_);
    to[i] = storage_.empty() ? nullptr : slot(next_input_ + i);
    kept_[index] = to[i] != nullptr ? to[i] : rows[i];
  }
  if (columns_first_) return resample_columns(*plan_.columns, rows, to, count);
  for (int i = 0; i < count && !stable_; ++i) std::memcpy(to[i], rows[i], pitch_ - kRowSlack);
}

/// Every output row whose window is complete; where columns come second, in batches as large as they can be.
void RowResampler::make_rows() {
  const ResampleAxis& vertical = plan_.vertical;
  const auto is_ready = [&](int y) {
    return y < last_output_ && vertical.start[std::size_t(y)] + vertical.count[std::size_t(y)] <= next_input_;
  };
  const std::size_t out_bytes = std::size_t(plan_.out_width) * 3;
  const bool columns_second = plan_.columns && !columns_first_;
  while (is_ready(next_output_)) {
    if (!columns_second) {
      make_row(next_output_++, out_);
      out_ += out_bytes;
      continue;
    }
    const std::uint8_t* from[kBatch];
    std::uint8_t* to[kBatch];
    int count = 0;
    for (; count < kBatch && is_ready(next_output_); ++count, out_ += out_bytes) {
      std::uint8_t* wide = wide_.data() + std::size_t(count) * pitch_;
      make_row(next_output_++, wide);
      from[count] = wide;
      to[count] = out_;
    }
    resample_columns(*plan_.columns, from, to, count);
  }
}

void RowResampler::make_row(int y, std::uint8_t* to) {
  const ResampleAxis& vertical = plan_.vertical;
  const int start = vertical.start[std::size_t(y)], count = vertical.count[std::size_t(y)];
  for (int j = 0; j < count; ++j) window_[std::size_t(j)] = kept_[std::size_t((start + j) % ring_)];
  resample_rows(window_.data(), vertical.weights_of(y), count, vertical.precision, pitch_ - kRowSlack, to);
}

}  // namespace mlx_vision::media
