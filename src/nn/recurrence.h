#pragma once
#include <span>
#include <utility>

#include "nn/kv_cache.h"
#include "nn/layers.h"

namespace mlx_vision::nn {

/// Convolution along a sequence, each channel on its own, that sees no later token.
class CausalConv {
 public:
  /// `kernel`: taps, the last of which is the token's own. Name: weight `[width, kernel, 1]`.
  CausalConv(const Weights& w, int width, int kernel, bool bias);
  /// x `[B, L, width]` after what each row's state holds, which is moved on.
  mx::array operator()(const mx::array& x, std::span<RecurrentState* const> states) const;

 private:
  mx::array taps_;  ///< `[kernel, width]`
  std::optional<mx::array> bias_;
};

/// Tokens that the delta rule takes at once.
inline constexpr int kDeltaChunk = 32;
/// Chunks after which the state is evaluated, so that no more of what leads to it exists at once.
inline constexpr int kDeltaSettled = 8;

/// Inputs of the gated delta rule for L tokens.
struct DeltaRuleInputs {
  mx::array queries, keys;  ///< `[B, heads, L, key_dim]` float32, keys of length 1, queries scaled
  mx::array values;         ///< `[B, heads, L, value_dim]` float32
  mx::array decay;          ///< `[B, heads, L]`: logarithm of what the state keeps, at most 0
  mx::array rate;           ///< `[B, heads, L]`: how much of the old value the new one replaces
};

/// S ← e^decay S, S ← S + rate k (v - kᵀS)ᵀ, y = qᵀS, token by token (Yang, Kautz, Hatamizadeh 2024, arXiv
/// 2412.06464); many tokens are taken in chunks, each in a few products. `state` `[B, heads, key_dim,
/// value_dim]`. Returns y `[B, heads, L, value_dim]` and the state after it.
std::pair<mx::array, mx::array> gated_delta_rule(const DeltaRuleInputs& in, const mx::array& state);

struct ShortConvSpec {
  int hidden = 0, kernel = 3;
  bool bias = false;
};

/// LFM2's layer without attention: a gated short convolution, out(C · conv(B · x)) (Liquid AI, arXiv
/// 2511.23404), under the names in_proj, which gives B, C and x, conv, out_proj.
class ShortConv {
 public:
  ShortConv(const Weights& w, const ShortConvSpec& spec);
  /// x `[B, L, hidden]` → the same, one state per row of the batch.
  mx::array operator()(const mx::array& x, std::span<LayerCache* const> caches) const;
  LayerCache new_cache() const { return RecurrentState{}; }

 private:
  Linear in_, out_;
  CausalConv conv_;
};

struct DeltaNetSpec {
  int hidden = 0, key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0, kernel = 4;
  float norm_eps = 1e-6f;
};

/// Qwen3.5's layer without attention (Gated DeltaNet), under the names in_proj_qkv, in_proj_z, in_proj_a,
/// in_proj_b, conv1d, A_log, dt_bias, norm, out_proj.
class GatedDeltaNet {
 public:
  GatedDeltaNet(const Weights& w, const DeltaNetSpec& spec);
  /// x `[B, L, hidden]` → the same, one state per row of the batch.
  mx::array operator()(const mx::array& x, std::span<LayerCache* const> caches) const;
  LayerCache new_cache() const { return RecurrentState{}; }

 private:
  DeltaRuleInputs inputs(const mx::array& x, const mx::array& mixed) const;

  DeltaNetSpec spec_;
  Linear qkv_, z_, a_, b_, out_;
  CausalConv conv_;
  mx::array decay_log_, decay_bias_;
  RmsNorm norm_;
};

}  // namespace mlx_vision::nn
