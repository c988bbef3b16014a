#pragma once
#include <optional>
#include <span>
#include <vector>

#include "nn/attention.h"
#include "nn/layers.h"

namespace mlx_vision::backbones {
namespace mx = mlx::core;

/// Gemma 4's image encoder: pictures of any shape as flat patches, learned positions by column and by row,
/// rotation of half of a head by each, norms before and behind each half of a block.
struct Gemma4VitSpec {
  int hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, mlp_hidden = 0, patch = 0, channels = 3;
  int table = 0;  ///< positions on a side
  int pool = 1;   ///< patches on a side that become one row, their mean
  float norm_eps = 1e-6f, theta = 100;
  bool clipped = false;       ///< what enters and leaves a map is bounded by numbers of the file
  bool standardized = false;  ///< rows less a bias, times a scale
  nn::Activation activation = nn::Activation::gelu_tanh;
};

/// @throws ConfigError
Gemma4VitSpec gemma4_vit(const core::ConfigReader& c);

/// Rows and columns of a picture's patches.
struct PatchRows {
  int rows, columns;
};

class Gemma4Vit {
 public:
  Gemma4Vit(const nn::Weights& w, const Gemma4VitSpec& spec);
  /// Patches `[rows · columns, values]` from 0 to 1, row by row → `[rows · columns / pool², hidden]`.
  /// @throws MediaError for a side longer than the table of positions
  mx::array operator()(const mx::array& patches, const PatchRows& grid) const;

 private:
  /// A map whose inputs and outputs are bounded.
  class ClippedLinear {
   public:
    ClippedLinear(const nn::Weights& w, int in, int out, bool clipped);
    mx::array operator()(const mx::array& x) const;

   private:
    nn::Linear map_;
    std::optional<mx::array> in_low_, in_high_, out_low_, out_high_;
  };
  /// Cosines and sines of one axis, `[patches, head_dim / 2]`.
  struct Rotation {
    mx::array cos, sin;
  };
  struct Block {
    Block(const nn::Weights& w, const Gemma4VitSpec& s);
    mx::array operator()(const mx::array& x, std::span<const Rotation> rotations) const;
    mx::array attend(const mx::array& x, std::span<const Rotation> rotations) const;
    nn::RmsNorm attention_norm, attention_post_norm, mlp_norm, mlp_post_norm, q_norm, k_norm;
    ClippedLinear q, k, v, o, gate, up, down;
    int heads, kv_heads;
    float eps;
    nn::Activation activation;
  };
  Rotation rotation(std::span<const int> positions, mx::Dtype dtype) const;
  mx::array pooled(const mx::array& x, const PatchRows& grid) const;

  Gemma4VitSpec spec_;
  nn::Linear patch_;
  mx::array positions_;  ///< `[2, table, hidden]`, columns first
  std::optional<mx::array> bias_, scale_;
  std::vector<Block> blocks_;
};

}  // namespace mlx_vision::backbones
