#pragma once
#include <span>
#include <vector>

#include "nn/attention.h"
#include "nn/layers.h"

namespace mlx_vision::backbones {
namespace mx = mlx::core;

/// Pixtral's image encoder (arXiv 2410.07073): pictures of any shape, positions by rotation alone.
struct PixtralVitSpec {
  int hidden = 0, layers = 0, heads = 0, mlp_hidden = 0, patch = 0, channels = 3;
  float theta = 10000;
  nn::Activation activation = nn::Activation::gelu;  ///< of the gated MLP
};

PixtralVitSpec pixtral_vit(const core::ConfigReader& c);

class PixtralVit {
 public:
  PixtralVit(const nn::Weights& w, const PixtralVitSpec& spec);
  /// Pixels `[1, C, H, W]` of one picture → the states behind the wanted blocks joined, `[1, patches, hidden
  /// · wanted]`. 0 is the embedding; negative counts from the end, -1 being the last block.
  mx::array operator()(const mx::array& pixels, std::span<const int> wanted) const;

 private:
  struct Rotation {
    mx::array cos, sin;  ///< `[patches, head_dim]`
  };
  struct Block {
    Block(const nn::Weights& w, const PixtralVitSpec& s);
    mx::array operator()(const mx::array& x, const Rotation& rotation) const;
    nn::RmsNorm attention_norm, mlp_norm;
    nn::Linear q, k, v, o;
    nn::GatedMlp mlp;
    int heads;
  };
  Rotation rotation(int rows, int columns, mx::Dtype dtype) const;

  PixtralVitSpec spec_;
  nn::PatchEmbed patch_;
  nn::RmsNorm pre_norm_;
  std::vector<Block> blocks_;
};

}  // namespace mlx_vision::backbones
