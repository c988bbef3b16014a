#pragma once
#include <new>

#include "engine/device.h"
#include "mlx_vision/error.h"

namespace mlx_vision {

/// Runs `work` in the caller's thread, where what the plan could not foresee may still fail to be allocated.
/// @throws CapacityError in place of std::bad_alloc
template <class Work>
auto with_memory(const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    throw CapacityError("memory: the system gave no more while the request was prepared", 0,
                        engine::available_memory());
  }
}

}  // namespace mlx_vision
