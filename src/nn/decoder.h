#pragma once
#include <optional>
#include <span>
#include <vector>

#include "nn/attention.h"
#include "nn/kv_cache.h"
#include "nn/layers.h"
#include "nn/rope.h"

namespace mlx_vision::nn {

/// What differs between the usual pre-norm decoders is data, not code.
struct DecoderSpec {
  int hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, mlp_hidden = 0, vocab = 0;
  float norm_eps = 1e-6f;
  bool qkv_bias = false;
  bool output_bias = false;  ///< of o_proj
  bool mlp_bias = false;
  bool tied_head = false;
  RopeSpec rope;
};

/// One cache per layer.
using DecoderCache = std::vector<KvCache>;

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
  DecoderCache new_cache() const { return DecoderCache(std::size_t(spec_.layers)); }

  /// ids `[…]` → `[…, hidden]`
  mx::array embed(const mx::array& ids) const { return embed_(ids); }
  /// Runs every block over h `[B, L, hidden]`, one cache per row of the batch, and the last norm. B > 1 only
  /// with L = 1.
  mx::array operator()(mx::array h, const Rope::Table& positions,
                       std::span<DecoderCache* const> caches) const;
  /// `[…, hidden]` → logits `[…, vocab]`
  mx::array logits(const mx::array& h) const { return head_(h); }

 private:
  struct Block {
    Block(const Weights& w, const DecoderSpec& s);
    mx::array operator()(const mx::array& x, const Rope& rope, const Rope::Table& positions,
                         std::span<KvCache* const> caches) const;
    mx::array attend(const mx::array& x, const Rope& rope, const Rope::Table& positions,
                     std::span<KvCache* const> caches) const;
    RmsNorm attn_norm;
    Linear q, k, v, o;
    RmsNorm mlp_norm;
    SwiGlu mlp;
    int heads, kv_heads, head_dim;
  };
  DecoderSpec spec_;
  mx::Dtype dtype_;
  Rope rope_;
  Embedding embed_;
  std::vector<Block> blocks_;
  RmsNorm norm_;
  Linear head_;
};

}  // namespace mlx_vision::nn
