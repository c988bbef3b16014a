#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <mutex>
#include <vector>

namespace mlx_vision::media {

/// Hands the bands of a picture from the thread that reads them to one that uses them, in their order.
class BandPipe {
 public:
  /// `size`: of a band, in 16-bit units. `use` is called on a thread of the pipe's own and must not
  /// throw.
  BandPipe(int count, std::size_t size, std::function<void(std::int16_t*)> use);
  /// Stops the other thread, whose bands are not all used if finish() has not been called.
  ~BandPipe();
  BandPipe(const BandPipe&) = delete;
  BandPipe& operator=(const BandPipe&) = delete;

  /// Room for the next band: zeros, or what `use` left there. Waits until there is some.
  std::int16_t* room();
  /// The band of the last room() is there.
  void publish();
  /// Waits until every band is used.
  void finish();

 private:
  static constexpr int kSlots = 4;

  void consume();
  std::int16_t* slot(int band) { return storage_.data() + std::size_t(band % kSlots) * size_; }

  const std::function<void(std::int16_t*)> use_;
  const int count_;
  const std::size_t size_;
  int published_ = 0, consumed_ = 0;
  bool closed_ = false;
  std::vector<std::int16_t> storage_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::future<void> consumer_;
};

}  // namespace mlx_vision::media
