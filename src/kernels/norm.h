#pragma once
#include "mlx/mlx.h"

namespace mlx_vision::kernels {
namespace mx = mlx::core;

/// x / rms(x) · weight over the last axis. Types promote as in mx::fast::rms_norm, which serves all but
/// float32 on the CPU.
mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps);

/// (x - mean) / deviation · weight + bias over the last axis, likewise.
mx::array layer_norm(const mx::array& x, const mx::array& weight, const mx::array& bias, float eps);

}  // namespace mlx_vision::kernels
