#pragma once
#include <optional>
#include <span>
#include <variant>
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
  bool flat_patches = false;  ///< patch_embedding is a linear map of values as the processor lays them out
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
  /// The same for patches of pictures of one shape, `[n, tokens, values]`, and their `positions` `[tokens,
  /// hidden]`. Needs flat_patches.
  std::vector<mx::array> states_of_patches(const mx::array& patches, const mx::array& positions,
                                           std::span<const int> wanted) const;
  /// The learned positions, `[tokens, hidden]`.
  const mx::array& position_table() const { return position_; }
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
  using Patches = std::variant<PatchEmbed, Linear>;
  static Patches make_patches(const Weights& w, const VitSpec& s);
  std::vector<mx::array> run(mx::array h, std::span<const int> wanted) const;

  VitSpec spec_;
  Patches patch_;
  mx::array position_;
  std::optional<mx::array> class_token_;
  std::optional<LayerNorm> pre_norm_, post_norm_;
  std::vector<Block> blocks_;
};

}  // namespace mlx_vision::nn
