#include "media/band_pipe.h"

#include <utility>

namespace mlx_vision::media {

BandPipe::BandPipe(int count, std::size_t size, std::function<void(std::int16_t*)> use)
    : use_(std::move(use)), count_(count), size_(size), storage_(size * kSlots) {
  consumer_ = std::async(std::launch::async, [this] { consume(); });
}

BandPipe::~BandPipe() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  if (consumer_.valid()) consumer_.wait();
}

std::int16_t* BandPipe::room() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return published_ - consumed_ < kSlots; });
  return slot(published_);
}

void BandPipe::publish() {
  {
    const std::lock_guard lock(mutex_);
    ++published_;
  }
  changed_.notify_all();
}

void BandPipe::finish() { consumer_.get(); }

void BandPipe::consume() {
  for (int band = 0; band < count_; ++band) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closed_ || published_ > band; });
      if (closed_) return;
    }
    use_(slot(band));
    {
      const std::lock_guard lock(mutex_);
      ++consumed_;
    }
    changed_.notify_all();
  }
}

}  // namespace mlx_vision::media
