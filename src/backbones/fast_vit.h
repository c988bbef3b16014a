#pragma once
#include <optional>
#include <variant>
#include <vector>

#include "nn/attention.h"
#include "nn/conv.h"

namespace mlx_vision::backbones {
namespace mx = mlx::core;

/// FastViTHD (FastVLM, arXiv 2412.13303): stages of convolutions, then of attention, in the form for
/// inference.
struct FastVitSpec {
  std::vector<int> layers = {2, 12, 24, 4, 2};
  std::vector<int> widths = {96, 192, 384, 768, 1536};
  std::vector<int> ratios = {4, 4, 4, 4, 4};  ///< of a block's MLP
  int attention_stages = 2;                   ///< the last ones
  int image = 1024;

  int out() const { return 2 * widths.back(); }
  /// Values that one picture's convolutions hold at once at most.
  std::int64_t most_values() const;
};

/// Pixels that one row of the last stage stands for, on a side: two of the stem, one before each further
/// stage.
inline constexpr int kFastVitStride = 64;

/// @throws ConfigError
FastVitSpec fast_vit(const core::ConfigReader& c);

class FastVit {
 public:
  FastVit(const nn::Weights& w, const FastVitSpec& spec);
  /// Pixels `[n, 3, H, W]` → `[n, H / 64 · W / 64, out]`.
  mx::array operator()(const mx::array& pixels) const;

 private:
  struct ConvMlp {
    ConvMlp(const nn::Weights& w, int width, int hidden);
    mx::array operator()(const mx::array& x) const;
    nn::Conv2d conv, fc1, fc2;
  };
  struct MixerBlock {
    MixerBlock(const nn::Weights& w, int width, int hidden);
    mx::array operator()(const mx::array& x) const;
    nn::Conv2d mixer;
    ConvMlp mlp;
    mx::array scale;
  };
  struct AttentionBlock {
    AttentionBlock(const nn::Weights& w, int width, int hidden);
    mx::array operator()(const mx::array& x) const;
    mx::array attend(const mx::array& x) const;
    nn::LayerNorm norm;
    nn::Linear qkv, proj;
    ConvMlp mlp;
    mx::array scale1, scale2;
  };
  struct Downsample {
    Downsample(const nn::Weights& w, int in, int out);
    mx::array operator()(const mx::array& x) const;
    nn::Conv2d large, small;
  };
  struct Stage {
    std::optional<nn::Conv2d> positions;
    std::vector<std::variant<MixerBlock, AttentionBlock>> blocks;
    std::optional<Downsample> down;  ///< to the next stage
  };
  mx::array expanded(const mx::array& x) const;

  std::vector<nn::Conv2d> stem_;
  std::vector<Stage> stages_;
  nn::Conv2d expand_, squeeze_, excite_;
};

}  // namespace mlx_vision::backbones
