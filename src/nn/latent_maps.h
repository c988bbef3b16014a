#pragma once
#include <optional>

#include "nn/layers.h"

namespace mlx_vision::nn {

/// Keys and values made from one narrow vector of a token (multi-head latent attention, DeepSeek-V2, arXiv
/// 2405.04434).
struct LatentSpec {
  int query_rank = 0;  ///< of the queries' own narrow vector; 0 = they are made from the token itself
  int rank = 0;        ///< of the keys' and values'
  int rotated = 0;     ///< values of a head that turn, the same in the keys of all heads
  int plain = 0;       ///< values of a head that do not
  int value_dim = 0;
  bool interleaved = true;  ///< pairs that turn are neighbours in the files
  bool bias = false;        ///< of the maps to narrow vectors
};

/// The maps, under the names q_proj or q_a_proj, q_a_layernorm and q_b_proj; kv_a_proj_with_mqa,
/// kv_a_layernorm, kv_b_proj.
class LatentMaps {
 public:
  LatentMaps(const Weights& w, const LatentSpec& spec, int hidden, int heads);
  /// `[B, heads, L, …]`. Values that turn come first in a head, in half-split pairs, so that a Rope of part
  /// of the head turns them.
  struct Heads {
    mx::array queries, keys, values;
  };
  Heads operator()(const mx::array& x) const;

 private:
  mx::array turning(const mx::array& x) const;

  LatentSpec spec_;
  int heads_;
  Linear q_;  ///< the only one, or the second
  std::optional<Linear> q_narrow_;
  std::optional<RmsNorm> q_norm_;
  Linear kv_narrow_;
  RmsNorm kv_norm_;
  Linear kv_;
};

}  // namespace mlx_vision::nn
