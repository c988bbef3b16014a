#pragma once
#include <cstdint>
#include <string>

#include "mlx_vision/inspect.h"

namespace mlx_vision::engine {

/// The machine and MLX's build, with a measured product. Any thread; takes a fraction of a second.
DeviceInfo describe_device();

/// Bytes that the default device can still give out, 0 = unknown. Any thread.
std::uint64_t available_memory();

/// Before the first array: on Metal, lets all that the system recommends stay resident, as the reference does
/// while it generates; on CUDA, makes float32 products float32 (MLX's default there is TF32, 10 bits of
/// mantissa) unless the environment says MLX_ENABLE_TF32. Engine thread.
void prepare_device();

/// How many threads the CPU's kernels share; 0 = one for each physical core. The BLAS beside them keeps to
/// the thread that calls it, so that the two do not compete. Any thread, before work begins.
void set_threads(int threads);

}  // namespace mlx_vision::engine
