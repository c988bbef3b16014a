#pragma once
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "nn/attention.h"
#include "nn/layers.h"

namespace mlx_vision::backbones {
namespace mx = mlx::core;

/// The image encoders of Qwen2-VL (arXiv 2409.12191), Qwen2.5-VL (arXiv 2502.13923) and Qwen3-VL (arXiv
/// 2511.21631).
struct QwenVitSpec {
  int hidden = 0, layers = 0, heads = 0, mlp_hidden = 0, out = 0;
  int patch = 14, temporal_patch = 2, merge = 2, channels = 3;
  nn::Activation activation = nn::Activation::quick_gelu;  ///< of the two-layer MLP; gated blocks use silu
  bool gated_rms = false;     ///< Qwen2.5: RMSNorm and SwiGLU in place of LayerNorm and MLP
  int window = 0;             ///< pixels; 0 = every block sees the whole picture
  std::set<int> full_blocks;  ///< with windows: blocks that see the whole picture
  int table_side = 0;         ///< Qwen3: of the learned positions, resampled to each picture's grid; 0 = none
  std::vector<int> taps = {};  ///< Qwen3: blocks whose output goes to the decoder's first blocks, merged
};

QwenVitSpec qwen2_vit(const core::ConfigReader& c);
QwenVitSpec qwen2_5_vit(const core::ConfigReader& c);
QwenVitSpec qwen3_vit(const core::ConfigReader& c);

/// A picture's patches, in merge-block order.
struct PatchGrid {
  int frames, rows, columns;
};

/// The order in which Qwen2.5 visits merged patches so that windows are contiguous, and where each window
/// ends.
struct WindowOrder {
  std::vector<int> order;  ///< of merged patches
  std::vector<int> ends;   ///< in patches (not merged ones), one past each window's last
};
WindowOrder window_order(const PatchGrid& grid, const QwenVitSpec& spec);

/// Rows of a `side` × `side` table and their weights, four per patch in merge-block order, that resample it
/// to a picture's grid: bilinear, corners on corners.
struct TableTaps {
  std::vector<int> rows;
  std::vector<float> weights;
};
TableTaps table_taps(const PatchGrid& grid, int side, int merge);

class QwenVit {
 public:
  QwenVit(const nn::Weights& w, const QwenVitSpec& spec);
  /// Patches `[frames rows columns, C T p p]` of one picture or video → `[… / merge², out · (1 + taps)]`: the
  /// last block's rows, then those of the taps.
  mx::array operator()(const mx::array& patches, const PatchGrid& grid) const;

 private:
  using Norm = std::variant<nn::LayerNorm, nn::RmsNorm>;
  struct Rotation {
    mx::array cos, sin;  ///< `[L, head_dim]` float32
  };
  struct Block {
    Block(const nn::Weights& w, const QwenVitSpec& s);
    mx::array operator()(const mx::array& x, const Rotation& rotation, std::span<const int> ends) const;
    mx::array attend(const mx::array& x, const Rotation& rotation, std::span<const int> ends) const;
    Norm norm1, norm2;
    nn::Linear qkv, proj;
    std::variant<nn::Mlp, nn::GatedMlp> mlp;
    int heads;
  };
  /// Neighbouring patches to one row: norm, two maps with GELU between.
  struct Merger {
    Merger(const nn::Weights& w, const QwenVitSpec& s, bool norm_last);
    mx::array operator()(const mx::array& x) const;
    bool norm_last;  ///< over the joined row in place of each patch
    Norm norm;
    nn::Linear in, out;
    int width;
  };
  static Norm make_norm(const nn::Weights& w, const QwenVitSpec& s);
  static mx::array apply(const Norm& norm, const mx::array& x);
  mx::array angles(const PatchGrid& grid) const;
  mx::array positions(const PatchGrid& grid) const;

  QwenVitSpec spec_;
  nn::PatchEmbed patch_;
  std::vector<Block> blocks_;
  std::optional<nn::Embedding> table_;
  Merger merger_;
  std::vector<Merger> tap_mergers_;
};

}  // namespace mlx_vision::backbones
