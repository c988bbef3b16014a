#pragma once
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "nn/altup.h"
#include "nn/attention.h"
#include "nn/kv_cache.h"
#include "nn/layers.h"
#include "nn/mixture.h"
#include "nn/per_layer.h"
#include "nn/recurrence.h"
#include "nn/rope.h"
#include "nn/self_attention.h"

namespace mlx_vision::nn {

/// What differs between the usual pre-norm decoders is data, not code.
struct DecoderSpec {
  int hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, mlp_hidden = 0, vocab = 0;
  float norm_eps = 1e-6f;
  float norm_offset = 0;  ///< added to every norm's weight: 1 in Gemma's files
  bool qkv_bias = false;
  bool output_bias = false;  ///< of o_proj
  bool mlp_bias = false;
  bool tied_head = false;
  bool head_norm = false;                 ///< RMSNorm of each head's queries and keys
  bool output_gate = false;               ///< a gate for each head's output beside its query
  bool grouped_qkv = false;               ///< one map for queries, keys and values (InternLM2)
  std::optional<LatentSpec> latent = {};  ///< of attention; head_dim is then plain + rotated
  bool sandwich = false;                  ///< a norm behind attention and MLP, too (Gemma 2 and 3)
  Activation activation = Activation::silu;
  float embed_scale = 1;
  float attention_scale = 0;                   ///< 0 = 1 / sqrt(head_dim)
  float score_softcap = 0, logit_softcap = 0;  ///< 0 = none
  std::optional<QueryGrowth> growth = {};
  int global_head_dim = 0,
      global_kv_heads = 0;      ///< of layers without a window, where they differ; 0 = they do not
  bool value_norm = false;      ///< RMSNorm without a weight of each head's values
  bool keys_as_values = false;  ///< in layers without a window
  int shared_layers =
      0;  ///< last layers that use the keys of the last one before them with or without a window
  bool wide_shared = false;          ///< their MLP is twice as wide
  std::vector<int> mlp_sizes = {};   ///< mlp_hidden by layer, where they differ; empty = they do not
  std::vector<float> sparsity = {};  ///< of the MLP's gates, by layer; empty = none
  std::optional<AltUpSpec> altup = {};
  int laurel_rank = 0;             ///< of a map beside attention; 0 = there is none
  bool layer_scalar = false;       ///< a factor of what each block gives
  bool mutual_in_windows = false;  ///< rows see each other both ways in layers with a window only
  std::optional<PerLayerSpec> per_layer = {};
  RopeSpec rope;
  int window = 0;                                ///< of the layers in `windowed`
  std::vector<bool> windowed = {};               ///< by layer; empty = none
  std::optional<RopeSpec> window_rope = {};      ///< of the layers in `windowed`; absent = `rope`
  std::optional<DeltaNetSpec> delta_net = {};    ///< in place of attention, in `linear` layers
  std::optional<ShortConvSpec> short_conv = {};  ///< the same
  std::vector<bool> linear = {};                 ///< by layer; empty = none
  std::optional<MixtureSpec> mixture = {};       ///< in place of the MLP, but in `dense` layers
  std::vector<bool> dense = {};                  ///< by layer; empty = none
  std::optional<MixtureSpec> beside = {};  ///< a mixture beside the MLP, each with norms of its own (Gemma 4)

  bool has_delta_net(int layer) const { return delta_net && linear[std::size_t(layer)]; }
  bool has_short_conv(int layer) const { return short_conv && linear[std::size_t(layer)]; }
  bool is_shared(int layer) const { return layer >= layers - shared_layers; }
  int head_dim_of(int layer) const {
    return global_head_dim > 0 && !has_window(layer) ? global_head_dim : head_dim;
  }
  int kv_heads_of(int layer) const {
    return global_kv_heads > 0 && !has_window(layer) ? global_kv_heads : kv_heads;
  }
  int mlp_hidden_of(int layer) const;
  /// The layer whose keys this one uses: itself, unless it is shared.
  int keys_of(int layer) const;
  bool has_window(int layer) const { return !windowed.empty() && windowed[std::size_t(layer)]; }
  bool has_mixture(int layer) const { return mixture && (dense.empty() || !dense[std::size_t(layer)]); }
};

/// What blocks are given besides the tokens' states.
struct DecoderExtras {
  std::span<const mx::array> added =
      {};  ///< `[B, L, hidden]`, added to what block i gives (DeepStack, arXiv 2406.04334)
  std::optional<mx::array> ids = {};  ///< `[B, L]`, for per-layer embeddings; rows of images hold any token's
};

/// One cache per layer.
using DecoderCache = std::vector<LayerCache>;

/// Llama's architecture (arXiv 2302.13971) and its close kin. Engine thread only.
class Decoder {
 public:
  /// `body` holds embed_tokens, layers and norm; `head` is the output projection's own module (unused when
  /// tied).
  Decoder(const Weights& body, const Weights& head, const DecoderSpec& spec);

  const DecoderSpec& spec() const { return spec_; }
  const Rope& rope() const { return rope_; }
  mx::Dtype dtype() const { return dtype_; }
  /// Type of what embed() gives: bfloat16 where a packed table has no float type of its own.
  mx::Dtype embedding_dtype() const { return embed_.dtype(); }
  DecoderCache new_cache() const;

  /// ids `[…]` → `[…, hidden]`
  mx::array embed(const mx::array& ids) const;
  /// Runs every block over h `[B, L, hidden]`, one cache per row of the batch, and the last norm. B > 1 only
  /// with L = 1.
  mx::array operator()(mx::array h, const StepPositions& positions, std::span<DecoderCache* const> caches,
                       const DecoderExtras& extras = {}) const;
  /// `[…, hidden]` → logits `[…, vocab]`
  mx::array logits(const mx::array& h) const;

 private:
  using Mixer = std::variant<SelfAttention, GatedDeltaNet, ShortConv>;
  static Mixer make_mixer(const Weights& block, const DecoderSpec& s, int layer);
  struct Block {
    Block(const Weights& w, const DecoderSpec& s, int layer);
    mx::array operator()(const mx::array& x, const Rope& rope, const StepPositions& positions,
                         std::span<LayerCache* const> caches) const;
    /// Behind everything else; `input` `[B, L, width]` is this block's own.
    mx::array finish(const mx::array& h, const std::optional<mx::array>& input) const;
    /// The same where there are streams: `predicted` `[B, L, streams, hidden]`, h what the block computed of
    /// it.
    mx::array finish_streams(const mx::array& predicted, const mx::array& h,
                             const std::optional<mx::array>& input) const;
    mx::array mix(const mx::array& x, const Rope& rope, const StepPositions& positions,
                  std::span<LayerCache* const> caches) const;
    LayerCache new_cache() const;
    bool windowed;
    RmsNorm attention_norm, mlp_norm;
    std::optional<RmsNorm> attention_post_norm, mlp_post_norm;
    Mixer mixer;
    std::variant<GatedMlp, Mixture> mlp;
    struct Beside {
      RmsNorm mlp_post_norm, norm, post_norm;
      Mixture mixture;
    };
    std::optional<Beside> beside;
    std::optional<PerLayerGate> per_layer;
    std::optional<mx::array> factor;
    std::optional<AltUp> altup;
    std::optional<Laurel> laurel;
  };
  DecoderSpec spec_;
  mx::Dtype dtype_;
  Rope rope_;
  std::optional<Rope> window_rope_;
  Embedding embed_;
  std::optional<PerLayerInputs> per_layer_;
  std::optional<AltUpStreams> streams_;
  std::vector<Block> blocks_;
  RmsNorm norm_;
  Linear head_;
};

}  // namespace mlx_vision::nn
