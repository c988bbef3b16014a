#pragma once
#include "mlx/mlx.h"
#include "mlx_vision/tensor.h"

namespace mlx_vision::models {

/// A prepared buffer as an MLX array of the same shape: float32 for floats, int32 for everything else.
/// Copies.
mlx::core::array to_array(const Tensor& tensor);

}  // namespace mlx_vision::models
