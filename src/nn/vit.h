#pragma once
#include <optional>
#include <span>
#include <vector>

#include "nn/attention.h"
#include "nn/layers.h"

namespace mlx_vision::nn {

/// CLIP's and SigLIP's image tower: square pictures, learned positions, pre-norm blocks.
struct VitSpec {
  int hidden = 0, layers = 0, heads = 0, mlp_hidden = 0, image = 0, patch = 0, channels = 3;
  float norm_eps = 1e-5f;
  Activation activation = Activation::gelu;
  bool class_token =
      false;  ///< prepended, with a norm (pre_layrnorm) before the first block; then patches have no bias
};

class Vit {
 public:
  /// `use_post_norm`: whether the caller wants post_norm(); otherwise its tensors are known and left alone.
  Vit(const Weights& w, const VitSpec& spec, bool use_post_norm);

  const VitSpec& spec() const { return spec_; }
  /// Pixels `[n, C, H, W]` → hidden states after the given blocks, each `[n, tokens, hidden]`, in the order
  /// asked for. 0 is the embedding, `layers` the last block; negative counts from the end as in transformers'
  /// hidden_states. `position_ids` `[tokens]` picks rows of the position table; absent = in order.
  std::vector<mx::array> states(const mx::array& pixels, std::span<const int> wanted,
                                const std::optional<mx::array>& position_ids = std::nullopt) const;
  mx::array post_norm(const mx::array& x) const { return (*post_norm_)(x); }

 private:
  struct Block {
    Block(const Weights& w, const VitSpec& s);
    mx::array operator()(const mx::array& x) const;
    mx::array attend(const mx::array& x) const;
    LayerNorm norm1, norm2;
    Linear q, k, v, o;
    Mlp mlp;
    int heads, head_dim;
  };
  VitSpec spec_;
  PatchEmbed patch_;
  mx::array position_;
  std::optional<mx::array> class_token_;
  std::optional<LayerNorm> pre_norm_, post_norm_;
  std::vector<Block> blocks_;
};

}  // namespace mlx_vision::nn
