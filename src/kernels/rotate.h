#pragma once
#include "mlx/mlx.h"

namespace mlx_vision::kernels {
namespace mx = mlx::core;

/// x cos + rotate_half(x) sin for x `[B, heads, L, d]`; cos and sin `[L, d]` or `[B or 1, 1, L, d]`. In the
/// promoted type of all three; on the CPU in float32 by one pass over memory, whatever x's strides.
mx::array rotate_half_pairs(const mx::array& x, const mx::array& cos, const mx::array& sin);

}  // namespace mlx_vision::kernels
