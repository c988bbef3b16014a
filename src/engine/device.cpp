#include "engine/device.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <variant>

#include "core/thread_pool.h"
#include "engine/blas.h"
#include "kernels/linear.h"
#include "kernels/self_check.h"
#include "memory/requirements.h"
#include "memory/system.h"
#include "mlx/backend/metal/metal.h"
#include "mlx/mlx.h"

namespace mlx_vision::engine {
namespace mx = mlx::core;

namespace {

// Thread stacks, the BLAS's buffers and what malloc keeps, none of which a plan can know.
constexpr std::uint64_t kLibraryBytes = 128ull << 20;

template <class T>
std::optional<T> property(const char* name) {
  const auto& all = mx::device_info(mx::default_device());
  const auto it = all.find(name);
  if (it == all.end() || !std::holds_alternative<T>(it->second)) return std::nullopt;
  return std::get<T>(it->second);
}

std::string backend() {
  if (mx::default_device() == mx::Device::cpu) return "cpu";
  return mx::metal::is_available() ? "metal" : "cuda";
}

std::uint64_t device_memory() {
  for (const char* name : {"memory_size", "total_memory"})
    if (const auto bytes = property<std::size_t>(name)) return *bytes;
  return memory::system_memory().total;
}

// Best of a few runs of a 1024-cubed product.
double measure_sgemm() {
  constexpr int kSide = 1024, kRuns = 4;
  const mx::array a = mx::full({kSide, kSide}, 0.5f), b = mx::full({kSide, kSide}, 0.25f);
  mx::eval(a, b, mx::matmul(a, b));  // the first run compiles kernels and starts threads
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    mx::eval(mx::matmul(a, b));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    best = std::max(best, 2.0 * kSide * kSide * kSide / seconds * 1e-9);
  }
  return best;
}

// Of products of one shape on each side of every switch: one row, few, a tile and a rest, more than a panel.
double worst_product_error() {
  double worst = 0;
  for (const auto& [rows, out, in] : {std::array{1, 67, 512}, {5, 67, 512}, {70, 300, 576}}) {
    const auto x = mx::random::normal({rows, in}, mx::float32, 0, 1, mx::random::key(1));
    const auto w = mx::random::normal({out, in}, mx::float32, 0, 1, mx::random::key(2));
    const auto packed = mx::quantize(w, 64, 4);
    const auto unpacked = mx::dequantize(packed[0], packed[1], packed[2], 64, 4);
    worst = std::max({worst, kernels::product_error(x, w, mx::matmul(x, mx::transpose(w))),
                      kernels::product_error(x, w, kernels::linear(x, {.data = w})),
                      kernels::product_error(x, unpacked,
                                             kernels::linear(x, {.data = packed[0],
                                                                 .scales = packed[1],
                                                                 .biases = packed[2],
                                                                 .group_size = 64,
                                                                 .bits = 4}))});
  }
  return worst;
}

}  // namespace

DeviceInfo describe_device() {
  DeviceInfo out;
  out.mlx_version = mx::version();
  out.backend = backend();
  out.device = property<std::string>("device_name").value_or("unknown");
  out.memory_bytes = device_memory();
  out.available_bytes = available_memory();
  out.max_buffer_bytes = property<std::size_t>("max_buffer_length").value_or(0);
  choose_blas_kernel();
  const Blas blas = describe_blas();
  out.blas_library = blas.library;
  out.blas_kernel = blas.kernel;
  out.sgemm_gflops = measure_sgemm();
  out.product_error = worst_product_error();
  out.kernels = kernels::instruction_set();
  out.threads = core::ThreadPool::shared().threads();
  out.read_gbps = kernels::read_bandwidth() * 1e-9;
  return out;
}

std::uint64_t available_memory() {
  if (const auto bytes = property<std::size_t>("free_memory")) return *bytes;
  const std::uint64_t available = memory::system_memory().available;
  const auto recommended = property<std::size_t>("max_recommended_working_set_size");
  if (!recommended) return available;
  const std::uint64_t active = mx::get_active_memory();
  return std::min<std::uint64_t>(available, *recommended - std::min<std::uint64_t>(*recommended, active));
}

std::uint64_t program_bytes() {
  const std::uint64_t process = memory::process_memory();
  const std::uint64_t buffers = mx::get_active_memory() + mx::get_cache_memory();
  // On a discrete GPU the buffers are not of this memory.
  return process - std::min(process, buffers) + kLibraryBytes;
}

std::uint64_t memory_capacity(std::optional<std::uint64_t> limit) {
  constexpr auto kUnknown = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t free = available_memory();
  const std::uint64_t held = mx::get_active_memory() + mx::get_cache_memory();
  const std::uint64_t machine = free == 0 ? kUnknown : held + free;
  if (!limit) return machine;
  return std::min(machine, *limit - std::min(*limit, program_bytes()));
}

std::uint64_t largest_buffer() {
  return property<std::size_t>("max_buffer_length").value_or(memory::kDefaultLargestBuffer);
}

void set_memory_limits(std::uint64_t planned, std::uint64_t capacity) {
  static const std::uint64_t own_cache_limit = [] {
    const std::uint64_t limit = mx::set_cache_limit(0);
    mx::set_cache_limit(limit);
    return limit;
  }();
  mx::set_memory_limit(planned);
  mx::set_cache_limit(std::min(own_cache_limit, capacity - std::min(capacity, planned)));
  if (!mx::metal::is_available()) return;
  if (const auto recommended = property<std::size_t>("max_recommended_working_set_size"))
    mx::set_wired_limit(std::min<std::size_t>(planned, *recommended));
}

void set_threads(int threads) {
  core::ThreadPool::shared().resize(threads);
  use_one_blas_thread();
}

void prepare_device() {
  setenv("MLX_ENABLE_TF32", "0", /*overwrite=*/0);
  choose_blas_kernel();
}

}  // namespace mlx_vision::engine
