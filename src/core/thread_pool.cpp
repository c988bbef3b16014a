#include "core/thread_pool.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mlx_vision::core {

namespace {

// A worker that waits this long for its next loop goes to sleep. Loops of one decoding step follow each other
// within microseconds; waking a sleeper costs as much as a small loop.
constexpr int kSpins = 4000;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Returns when `value` differs from `old`.
std::uint32_t await_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (const auto current = value.load(std::memory_order_acquire); current != old) return current;
    relax();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

struct Release {
  std::atomic<bool>& busy;
  ~Release() {
    busy = false;
    busy.notify_one();
  }
};

}  // namespace

int physical_cores() {
  int logical = int(std::max(1u, std::thread::hardware_concurrency()));
#if defined(__APPLE__)
  int cores = 0;
  std::size_t size = sizeof(cores);
  return sysctlbyname("hw.physicalcpu", &cores, &size, nullptr, 0) == 0 && cores > 0 ? cores : logical;
#elif defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return logical;
  logical = std::max(1, CPU_COUNT(&allowed));
  std::set<std::string> cores;  // each by the list of its hardware threads
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::ifstream in("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    std::string siblings;
    if (!std::getline(in, siblings)) return logical;
    cores.insert(siblings);
  }
  return std::max(1, int(cores.size()));
#else
  return logical;
#endif
}

ThreadPool& ThreadPool::shared() {
  // Never destroyed: a thread that outlives main may still be in a loop.
  static auto* pool = new ThreadPool(0);
  return *pool;
}

void ThreadPool::resize(int threads) {
  if (threads < 1) threads = physical_cores();
  while (busy_.exchange(true)) busy_.wait(true);
  const Release release{busy_};
  if (threads == threads_) return;
  stop();
  stopping_ = false;
  const std::uint32_t turn = turn_;
  try {
    while (int(workers_.size()) + 1 < threads) workers_.emplace_back([this, turn] { serve(turn); });
  } catch (const std::system_error&) {
    // No further thread to be had: those that run do the work.
  }
  threads_ = int(workers_.size()) + 1;
}

void ThreadPool::stop() {
  stopping_ = true;
  ++turn_;
  turn_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
  threads_ = 1;
}

void ThreadPool::serve(std::uint32_t seen) {
  for (;;) {
    seen = await_change(turn_, seen);
    if (stopping_) return;
    // Who comes late, after the others have done everything, finds the loop closed.
    for (std::uint32_t inside = inside_; inside & kOpen;) {
      if (!inside_.compare_exchange_weak(inside, inside + 1)) continue;
      take_part();
      if (inside_.fetch_sub(1) == 1) inside_.notify_one();
      break;
    }
  }
}

void ThreadPool::take_part() {
  for (;;) {
    const int index = next_.fetch_add(1, std::memory_order_relaxed);
    if (index >= loop_.count) return;
    try {
      loop_.call(loop_.work, index);
    } catch (...) {
      if (!failed_.exchange(true)) failure_ = std::current_exception();
      next_ = loop_.count;
      return;
    }
  }
}

void ThreadPool::run(const Loop& loop) {
  if (loop.count <= 1 || threads() == 1 || busy_.exchange(true)) {
    for (int i = 0; i < loop.count; ++i) loop.call(loop.work, i);
    return;
  }
  const Release release{busy_};
  loop_ = loop;
  next_ = 0;
  failed_ = false;
  inside_ = kOpen;
  ++turn_;
  turn_.notify_all();
  take_part();
  for (std::uint32_t inside = inside_.fetch_and(~kOpen) & ~kOpen; inside != 0;)
    inside = await_change(inside_, inside);
  if (failed_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace mlx_vision::core
