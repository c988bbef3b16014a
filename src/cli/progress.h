#pragma once
#include <chrono>
#include <mutex>
#include <string>

#include "mlx_vision/options.h"

namespace mlx_vision::cli {

/// "prefill  [########............]  40 %  820/2048", at most `width` columns.
std::string progress_line(const Progress& progress, int width);

/// A bar on stderr while the runtime works, nothing when stderr is no terminal. Safe from any thread; must
/// outlive the callbacks it gives out.
class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Empty when there is nothing to show.
  ProgressCallback callback();
  /// Takes the bar away; to be called before anything else is written to the terminal.
  void clear();

 private:
  void show(const Progress& progress);

  std::mutex mutex_;
  const bool visible_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace mlx_vision::cli
