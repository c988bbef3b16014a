#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "nn/layers.h"

namespace mlx_vision::nn {

enum class Mask {
  none,
  causal,  ///< query i of L sees keys 0 … S - L + i
};

/// Most bytes of scores that one attention may hold at a time, for the calling thread; the default is 1 GiB.
/// Set once by the engine before it loads a model.
void set_attention_budget(std::uint64_t bytes);
std::uint64_t attention_budget();

/// softmax(scale · q kᵀ) v for q `[B, heads, L, d]`, k and v `[B, kv_heads, S, d]`, heads a multiple of
/// kv_heads. Every attention of the runtime goes through here. Where MLX would materialise scores `[B, heads,
/// L, S]` beyond the budget, queries are split and each part is evaluated before the next is begun, so that
/// peak memory does not depend on L; head sizes without a fused kernel are padded where that buys one.
mx::array attention(const mx::array& q, const mx::array& k, const mx::array& v, float scale, Mask mask);

/// Rows `begin … end - 1` of a sequence, all of which see each other whatever the order.
struct MutualRows {
  int begin, end;
};

/// Which keys each query of a step sees: those at positions `first[i] … last[i]` of the sequence.
struct VisibleKeys {
  std::vector<int> first, last;
  int key_begin = 0;  ///< position of the first key at hand
};

/// Queries at positions `begin … begin + count - 1` that see themselves, what precedes them and all of their
/// own `mutual` rows, but nothing `window` or more positions before them (0 = no limit).
VisibleKeys visible_keys(int begin, int count, int window, std::span<const MutualRows> mutual);

/// attention() with the keys that `visible` names. `softcap` > 0 bounds scores by softcap · tanh(score /
/// softcap) (Gemma 2, arXiv 2408.00118).
mx::array attention(const mx::array& q, const mx::array& k, const mx::array& v, float scale,
                    const VisibleKeys& visible, float softcap = 0);

/// The same for one picture (B = 1, no mask) in consecutive blocks that do not see each other: block i is
/// rows `ends[i-1] … ends[i] - 1` of L = S.
mx::array block_attention(const mx::array& q, const mx::array& k, const mx::array& v, float scale,
                          std::span<const int> ends);

/// `[B, L, heads * d]` → `[B, heads, L, d]`, and back.
mx::array split_heads(const mx::array& x, int heads);
mx::array merge_heads(const mx::array& x);

}  // namespace mlx_vision::nn
