#pragma once
#include "nn/layers.h"

namespace mlx_vision::nn {

/// Embeddings that each block of a decoder has of its own (Gemma 3n, 4).
struct PerLayerSpec {
  int width = 0, vocab = 0;  ///< of one block's; rows of their table
};

/// What every block is given besides the tokens' states, under the names embed_tokens_per_layer,
/// per_layer_model_projection, per_layer_projection_norm.
class PerLayerInputs {
 public:
  struct Sizes {
    int hidden, layers;
    float norm_eps;
  };
  PerLayerInputs(const Weights& body, const PerLayerSpec& spec, const Sizes& sizes);
  /// ids `[B, L]`, none below 0, and what enters the first block, `[B, L, hidden]` → `[B, L, layers, width]`.
  mx::array operator()(const mx::array& ids, const mx::array& h) const;

 private:
  PerLayerSpec spec_;
  Sizes sizes_;
  Embedding table_;
  Linear projection_;
  RmsNorm norm_;
};

/// A block's use of them, under the names per_layer_input_gate, per_layer_projection,
/// post_per_layer_input_norm.
class PerLayerGate {
 public:
  struct Spec {
    int hidden, width;
    float norm_eps;
    Activation activation;
  };
  PerLayerGate(const Weights& block, const Spec& spec);
  /// h `[B, L, hidden]`, input `[B, L, width]` → what is added to h.
  mx::array operator()(const mx::array& h, const mx::array& input) const;

 private:
  Linear gate_, projection_;
  RmsNorm norm_;
  Activation activation_;
};

}  // namespace mlx_vision::nn
