#include "kernels/self_check.h"

#include <hwy/detect_targets.h>
#include <hwy/targets.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/thread_pool.h"
#include "kernels/tile_rows.h"

namespace mlx_vision::kernels {

std::string instruction_set() {
  // The lowest bit is the best target; a machine may have others than the compiler knows.
  const std::int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  const std::string name = hwy::TargetName(targets & -targets);
  const WeightView bfloat16{.out = 1, .in = 32, .element = Element::bfloat16};
  return takes_tile_rows(1 << 10, bfloat16) ? name + " and AMX" : name;
}

double product_error(const mx::array& x, const mx::array& w, const mx::array& y) {
  const auto xs = mx::contiguous(x), ws = mx::contiguous(w), ys = mx::contiguous(y);
  mx::eval(xs, ws, ys);
  const int rows = xs.shape(0), in = xs.shape(1), out = ws.shape(0);
  double worst = 0;
  for (int r = 0; r < rows; ++r)
    for (int n = 0; n < out; ++n) {
      double sum = 0, size = 0;
      for (int k = 0; k < in; ++k) {
        const double product = double(xs.data<float>()[std::size_t(r) * std::size_t(in) + std::size_t(k)]) *
                               double(ws.data<float>()[std::size_t(n) * std::size_t(in) + std::size_t(k)]);
        sum += product;
        size += std::fabs(product);
      }
      const double error =
          std::fabs(sum - double(ys.data<float>()[std::size_t(r) * std::size_t(out) + std::size_t(n)]));
      if (size > 0) worst = std::max(worst, std::isfinite(error) ? error / size : 1.0);
    }
  return worst;
}

double read_bandwidth() {
  constexpr std::size_t kBytes = 256 << 20, kTask = 1 << 20;
  constexpr int kRuns = 4;
  const std::vector<std::uint64_t> memory(kBytes / 8, 1);
  std::atomic<std::uint64_t> total{0};  // so that nothing is left out
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    core::ThreadPool::shared().run(int(kBytes / kTask), [&](int task) {
      const std::uint64_t* from = memory.data() + std::size_t(task) * kTask / 8;
      std::uint64_t sums[8] = {};
      for (std::size_t i = 0; i < kTask / 8; i += 8)
        for (std::size_t j = 0; j < 8; ++j) sums[j] += from[i + j];
      for (const std::uint64_t sum : sums) total += sum;
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    best = std::max(best, double(kBytes) / seconds);
  }
  return total == 0 ? 0 : best;
}

}  // namespace mlx_vision::kernels
