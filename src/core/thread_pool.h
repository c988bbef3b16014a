#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

namespace mlx_vision::core {

/// Cores that this process may run on, counted once each however many hardware threads they have; at least 1.
int physical_cores();

/// The threads that numerical kernels share. A loop is served by the thread that asks for it and by the
/// workers that are free; there is one loop at a time, and whoever asks meanwhile (another thread, or the
/// work itself) runs its loop alone. Any thread.
class ThreadPool {
 public:
  /// The process's pool, with a thread for each physical core until resize() says otherwise.
  static ThreadPool& shared();

  explicit ThreadPool(int threads) { resize(threads); }
  ~ThreadPool() { stop(); }
  ThreadPool(const ThreadPool&) = delete;

  /// Waits for a loop in progress. `threads` counts the caller of run(); below 1 means physical_cores().
  void resize(int threads);
  int threads() const { return threads_.load(std::memory_order_relaxed); }

  /// Calls work(0) … work(count - 1), each once, in any order, and returns when all are done.
  /// @throws what a call throws first; calls that have not begun are then left out.
  template <class Work>
  void run(int count, const Work& work) {
    run({count, &work, [](const void* w, int i) { (*static_cast<const Work*>(w))(i); }});
  }

 private:
  struct Loop {
    int count = 0;
    const void* work = nullptr;
    void (*call)(const void* work, int index) = nullptr;
  };
  void run(const Loop& loop);
  void take_part();
  void serve(std::uint32_t seen);
  void stop();

  static constexpr std::uint32_t kOpen = 1u << 31;

  std::atomic<bool> busy_{false};  // a loop is in progress, or a resize
  Loop loop_;                      // written while the loop is closed and nobody is inside
  std::atomic<int> next_{0};
  std::atomic<std::uint32_t> inside_{0};  // workers in the loop, and kOpen while more may enter
  std::atomic<std::uint32_t> turn_{0};    // grows by one for each loop
  std::atomic<bool> failed_{false}, stopping_{false};
  std::exception_ptr failure_;
  std::atomic<int> threads_{1};
  std::vector<std::thread> workers_;
};

}  // namespace mlx_vision::core
