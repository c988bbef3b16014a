#pragma once
#include "mlx_vision/runtime.h"

namespace mlx_vision::cli {

constexpr int kInterrupted = 130;  ///< exit code after Ctrl-C, as of a shell

/// While one of these lives, the first Ctrl-C (or SIGTERM) cancels the given generation and the second ends
/// the program at once. One at a time, main thread.
class InterruptScope {
 public:
  explicit InterruptScope(const Cancellation& cancellation);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
};

}  // namespace mlx_vision::cli
