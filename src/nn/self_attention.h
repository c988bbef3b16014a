#pragma once
#include <optional>
#include <span>

#include "nn/attention.h"
#include "nn/kv_cache.h"
#include "nn/latent_maps.h"
#include "nn/layers.h"
#include "nn/rope.h"

namespace mlx_vision::nn {

/// Queries at position p are multiplied by 1 + beta · ln(1 + ⌊p / context⌋) (Llama 4; Ministral 3).
struct QueryGrowth {
  float beta;
  int context;
};

struct SelfAttentionSpec {
  int hidden = 0, heads = 0, kv_heads = 0, head_dim = 0;
  bool qkv_bias = false;
  bool output_bias = false;  ///< of o_proj
  bool head_norm = false;    ///< RMSNorm of each head's queries and keys, before rotation (Qwen3, Gemma 3)
  bool output_gate = false;  ///< q_proj gives each head a gate besides its query (Qwen3.5)
  bool grouped_qkv = false;  ///< one map, wqkv: by head of keys, its queries, the key, the value (InternLM2)
  std::optional<LatentSpec> latent = {};  ///< in place of q_proj, k_proj and v_proj; kv_heads is heads
  bool value_norm = false;                ///< RMSNorm without a weight of each head's values (Gemma 3n, 4)
  bool keys_as_values = false;            ///< values are the keys before their norm and rotation: no v_proj
  bool shared_keys = false;  ///< keys and values are those of an earlier layer's cache: no k_proj, no v_proj
  float norm_eps = 1e-6f, norm_offset = 0;
  float scale = 0;    ///< of scores; 0 = 1 / sqrt(head_dim)
  float softcap = 0;  ///< of scores; 0 = none
  std::optional<QueryGrowth> growth = {};
  int window = 0;  ///< tokens that a token sees, itself included; 0 = all before it
};

/// Where the tokens of one step stand, for every layer alike.
struct StepPositions {
  Rope::Table table;
  std::span<const MutualRows> mutual = {};  ///< rows of pictures that see each other both ways
};

/// A decoder's attention with its cache, under the names q_proj, k_proj, v_proj (or wqkv, or those of
/// LatentMaps), o_proj, q_norm, k_norm.
class SelfAttention {
 public:
  SelfAttention(const Weights& w, const SelfAttentionSpec& spec);
  /// x `[B, L, hidden]` → the same, one cache per row of the batch, with shared_keys the earlier layer's,
  /// which has taken this step's tokens already. B > 1 only with L = 1.
  mx::array operator()(const mx::array& x, const Rope& rope, const StepPositions& positions,
                       std::span<LayerCache* const> caches) const;
  LayerCache new_cache() const { return KvCache(spec_.window); }

 private:
  /// `[B, heads, L, head_dim]` as the maps give them; no keys with shared_keys.
  struct Projected {
    mx::array queries;
    std::optional<mx::array> keys, values;
  };
  Projected project(const mx::array& x) const;
  mx::array attend(mx::array queries, const KvCache& cache, std::span<const MutualRows> mutual) const;

  SelfAttentionSpec spec_;
  std::optional<LatentMaps> latent_;
  std::optional<Linear> q_;  ///< wqkv with grouped_qkv
  Linear o_;
  std::optional<Linear> k_, v_;
  std::optional<RmsNorm> q_norm_, k_norm_;
};

}  // namespace mlx_vision::nn
