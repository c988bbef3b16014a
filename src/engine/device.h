#pragma once
#include <cstdint>
#include <optional>

#include "mlx_vision/inspect.h"

namespace mlx_vision::engine {

/// The machine and MLX's build, with a measured product. Any thread; takes a fraction of a second.
DeviceInfo describe_device();

/// Bytes that the default device can still give out, 0 = unknown. Any thread.
std::uint64_t available_memory();

/// Bytes that MLX may take in all, what it holds included, so that the process stays within `limit` and the
/// machine within its memory. The largest number when neither is known. Any thread.
std::uint64_t memory_capacity(std::optional<std::uint64_t> limit);

/// What the process takes besides MLX's buffers, with room for what libraries keep for themselves.
std::uint64_t program_bytes();

/// Of one array; where MLX does not say, the number of memory/requirements.h.
std::uint64_t largest_buffer();

/// Tells MLX what was planned: beyond it, it waits for work to finish before it allocates, and keeps no more
/// freed memory than the capacity leaves. On Metal as much stays wired. Engine thread.
void set_memory_limits(std::uint64_t planned, std::uint64_t capacity);

/// Before the first array: on CUDA, makes float32 products float32 (MLX's default there is TF32, 10 bits of
/// mantissa) unless the environment says MLX_ENABLE_TF32; on the CPU, choose_blas_kernel(). Engine thread.
void prepare_device();

/// How many threads the CPU's kernels share; 0 = one for each physical core. The BLAS beside them keeps to
/// the thread that calls it, so that the two do not compete. Any thread, before work begins.
void set_threads(int threads);

}  // namespace mlx_vision::engine
