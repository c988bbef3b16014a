#pragma once
#include <optional>
#include <variant>
#include <vector>

#include "nn/conv.h"

namespace mlx_vision::backbones {
namespace mx = mlx::core;

/// MobileNetV5's encoder (Gemma 3n; timm, mobilenetv5.py): stages of convolutions and of attention with one
/// head for keys and values, the last two fused. Which blocks there are and how wide is read from the file:
/// config.json names timm's architecture only.
class MobileNetV5 {
 public:
  /// `out`: width of a row; `side`: rows on a side of a picture.
  MobileNetV5(const nn::Weights& w, int out, int side);
  /// Pixels `[n, 3, H, W]` → `[n, side · side, out]`. @throws RequestError for sizes that do not divide into
  /// rows
  mx::array operator()(const mx::array& pixels) const;
  /// Values that the convolutions of a picture of `size` × `size` pixels hold at once at most.
  std::int64_t most_values(int size) const;

 private:
  /// A convolution and RMSNorm, and GELU (by tanh) if it is `active`.
  struct NormedConv {
    NormedConv(const nn::Weights& conv, const nn::Weights& norm, const nn::ConvSpec& spec, bool active);
    mx::array operator()(const mx::array& x) const;
    nn::Conv2d conv;
    nn::RmsNorm norm;
    bool active;
  };
  // Of each kind of block, values() is what it holds at once for places that enter and leave it.

  /// Expansion by a convolution of full depth, and a map back.
  struct EdgeResidual {
    EdgeResidual(const nn::Weights& w, int inputs, int step);
    mx::array operator()(const mx::array& x) const;
    std::int64_t values(std::int64_t entering, std::int64_t leaving) const;
    int in, mid, out, stride, kernel;
    NormedConv expand, project;
  };
  /// A map between convolutions by channel, each of which may be absent (MobileNetV4, arXiv 2404.10518).
  struct InvertedBottleneck {
    InvertedBottleneck(const nn::Weights& w, int inputs, int step);
    mx::array operator()(const mx::array& x) const;
    std::int64_t values(std::int64_t entering, std::int64_t leaving) const;
    int in, mid, out, stride;
    std::optional<NormedConv> start;
    NormedConv expand;
    std::optional<NormedConv> middle;
    NormedConv project;
    std::optional<mx::array> scale;
  };
  /// Keys and values of every second row and column, where there are convolutions for them.
  struct Attention {
    Attention(const nn::Weights& w, int inputs, int step);
    mx::array operator()(const mx::array& x) const;
    std::int64_t values(std::int64_t entering, std::int64_t leaving) const;
    struct Reduced {
      Reduced(const nn::Weights& w, int in, int out);
      mx::array operator()(const mx::array& x) const;
      std::optional<NormedConv> down;
      nn::Conv2d map;
    };
    int in, mid, out, stride, key_dim;
    nn::RmsNorm norm;
    nn::Conv2d query;
    Reduced key, value;
    nn::Conv2d output;
    std::optional<mx::array> scale;
  };
  using Block = std::variant<EdgeResidual, InvertedBottleneck, Attention>;
  static std::optional<Block> make_block(const nn::Weights& w, int in, int stride);
  mx::array fused(const mx::array& before, const mx::array& last) const;

  int side_, stem_width_;
  NormedConv stem_;
  std::vector<std::vector<Block>> stages_;
  std::optional<InvertedBottleneck> fusion_;
  nn::RmsNorm norm_;
};

}  // namespace mlx_vision::backbones
