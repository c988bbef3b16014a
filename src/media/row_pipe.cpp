#include "media/row_pipe.h"

#include <algorithm>

namespace mlx_vision::media {

RowPipe::RowPipe(RowResampler& resampler, int rows, std::size_t row_bytes)
    : resampler_(resampler), rows_(rows), pitch_(row_bytes + kRowSlack), storage_(pitch_ * kRows * kSlots) {
  consumer_ = std::async(std::launch::async, [this] { consume(); });
}

RowPipe::~RowPipe() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  if (consumer_.valid()) consumer_.wait();
}

int RowPipe::rows_of(int slot) const { return std::min(kRows, rows_ - slot * kRows); }

std::uint8_t* RowPipe::room(int& count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return published_ - consumed_ < kSlots; });
  count = rows_of(published_);
  return storage_.data() + std::size_t(published_ % kSlots) * kRows * pitch_;
}

void RowPipe::publish() {
  {
    const std::lock_guard lock(mutex_);
    ++published_;
  }
  changed_.notify_all();
}

void RowPipe::finish() { consumer_.get(); }

void RowPipe::consume() {
  const int slots = (rows_ + kRows - 1) / kRows;
  for (int slot = 0; slot < slots; ++slot) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closed_ || published_ > slot; });
      if (closed_) return;
    }
    push_slot(slot);
    {
      const std::lock_guard lock(mutex_);
      ++consumed_;
    }
    changed_.notify_all();
  }
}

void RowPipe::push_slot(int slot) {
  const int first = slot * kRows, end = first + rows_of(slot);
  const std::uint8_t* base = storage_.data() + std::size_t(slot % kSlots) * kRows * pitch_;
  for (;;) {
    const int next = resampler_.next_input(),
              count = std::min({RowResampler::kBatch, end - next, resampler_.last_input() - next});
    if (next < first || count <= 0) return;
    const std::uint8_t* rows[RowResampler::kBatch];
    for (int i = 0; i < count; ++i) rows[i] = base + std::size_t(next - first + i) * pitch_;
    resampler_.push(rows, count);
  }
}

}  // namespace mlx_vision::media
