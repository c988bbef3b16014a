#pragma once
#include <span>
#include <vector>

#include "mlx/mlx.h"

namespace mlx_vision::kernels {
namespace mx = mlx::core;

struct AttentionSpec {
  float scale = 1;
  float softcap = 0;    ///< > 0 bounds scores by softcap · tanh(score / softcap) (Gemma 2, arXiv 2408.00118)
  bool causal = false;  ///< query i stands at position S - L + i and sees no key beyond
  std::vector<int> first = {}, last = {};  ///< in place of causal: the keys that each query sees; empty = all
  std::vector<int> ends = {};  ///< blocks of queries and keys that do not see each other; empty = one
};

/// Whether attention() serves these queries: float32 on the CPU.
bool has_attention(const mx::array& q, const mx::array& k);

/// softmax(scale · q kᵀ) v for q `[B, heads, L, d]`, k `[B, kv_heads, S, d]` and v `[B, kv_heads, S,
/// value_d]` in float32, tile by tile: no memory beside the result but attend_scratch() (attend.h) floats a
/// thread. The result `[B, heads, L, value_d]` lies in memory as `[B, L, heads, value_d]`. Only where
/// has_attention(); whoever needs other devices has MLX's own fused kernels.
/// @throws std::invalid_argument for shapes that do not fit together
mx::array attention(const mx::array& q, const mx::array& k, const mx::array& v, AttentionSpec spec);

}  // namespace mlx_vision::kernels
