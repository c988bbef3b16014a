#pragma once
#include "mlx/backend/cpu/encoder.h"
#include "mlx/mlx.h"

namespace mlx_vision::kernels {
namespace mx = mlx::core;

/// Whether a kernel of ours serves x: float32, on the CPU, not empty, and not being traced.
inline bool is_cpu_float32(const mx::array& x) {
  return mx::default_device() == mx::Device::cpu && x.dtype() == mx::float32 && !x.is_tracer() &&
         x.size() > 0;
}

/// x without gaps, as a node of the graph only where that is not known already (weights mostly are).
inline mx::array dense_rows(const mx::array& x) {
  return x.is_available() && x.flags().row_contiguous ? x : mx::contiguous(x);
}

inline mx::Stream cpu_stream() { return mx::default_stream(mx::Device::cpu); }

/// Memory that lives until what has been dispatched so far, and the next dispatch, are done. Inside eval_cpu.
float* temporary(std::size_t floats, mx::cpu::CommandEncoder& encoder);

/// x `[B, H, L, d]`, or, when its last axis is not contiguous, a copy made before the next dispatch runs.
/// Inside eval_cpu.
mx::array with_contiguous_rows(const mx::array& x, mx::cpu::CommandEncoder& encoder);

/// Gives `out` memory: that of `x` if nobody else needs it any more. Inside eval_cpu; both row-contiguous and
/// of one shape and type.
void allocate_over(const mx::array& x, mx::array& out);

[[noreturn]] void refuse_gpu(const char* kernel);

}  // namespace mlx_vision::kernels
