#pragma once
#include <cstdint>

#include "mlx_vision/inspect.h"

namespace mlx_vision::engine {

/// The machine and MLX's build, with a measured product. Any thread; takes a fraction of a second.
DeviceInfo describe_device();

/// Bytes that the default device can still give out, 0 = unknown. Any thread.
std::uint64_t available_memory();

/// On Metal, lets all that the system recommends stay resident, as the reference does while it generates;
/// else nothing. Engine thread.
void wire_memory();

}  // namespace mlx_vision::engine
