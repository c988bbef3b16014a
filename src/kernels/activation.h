#pragma once
#include <optional>

#include "kernels/rowwise.h"
#include "mlx/mlx.h"

namespace mlx_vision::kernels {
namespace mx = mlx::core;

/// act(x), times `factor` of x's shape and type if there is one. In x's type; on the CPU in float32 by one
/// pass over memory.
mx::array activate(Activation kind, const mx::array& x, const std::optional<mx::array>& factor = {});

}  // namespace mlx_vision::kernels
