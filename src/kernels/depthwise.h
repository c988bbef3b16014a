#pragma once
#include <optional>
#include <utility>

#include "mlx/mlx.h"

namespace mlx_vision::kernels {
namespace mx = mlx::core;

/// Zeros before and behind the rows and the columns.
struct DepthwiseGeometry {
  int stride = 1;
  std::pair<int, int> rows, columns;
};

/// A convolution in which result c · m + j takes channel c alone: x `[n, H, W, C]`, weight `[C · m, k, k,
/// 1]`, bias
/// `[C · m]`. On the CPU with float32 x by a kernel of our own, where MLX's is one thread's plain loop.
mx::array depthwise_conv(const mx::array& x, const mx::array& weight, const std::optional<mx::array>& bias,
                         const DepthwiseGeometry& geometry);

}  // namespace mlx_vision::kernels
