#pragma once
#include <condition_variable>
#include <cstdint>
#include <future>
#include <mutex>
#include <vector>

#include "media/row_resampler.h"

namespace mlx_vision::media {

/// Hands rows from the thread that decodes them to one that resamples them, a few at a time.
class RowPipe {
 public:
  /// `resampler` must outlive the pipe and is the pipe's until finish().
  RowPipe(RowResampler& resampler, int rows, std::size_t row_bytes);
  /// Stops the other thread, without its results if finish() has not been called.
  ~RowPipe();
  RowPipe(const RowPipe&) = delete;
  RowPipe& operator=(const RowPipe&) = delete;

  /// Room for the next rows from the top, `row_bytes + kRowSlack` apart; waits until there is some.
  /// `count` receives how many rows it takes.
  std::uint8_t* room(int& count);
  /// The rows of the last room() are there.
  void publish();
  /// Waits until every row is resampled.
  void finish();

  std::size_t pitch() const { return pitch_; }

 private:
  static constexpr int kRows = 4 * RowResampler::kBatch, kSlots = 4;

  void consume();
  void push_slot(int slot);
  int rows_of(int slot) const;

  RowResampler& resampler_;
  int rows_, published_ = 0, consumed_ = 0;
  bool closed_ = false;
  std::size_t pitch_;
  std::vector<std::uint8_t> storage_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::future<void> consumer_;
};

}  // namespace mlx_vision::media
