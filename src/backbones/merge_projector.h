#pragma once
#include <optional>

#include "nn/layers.h"

namespace mlx_vision::backbones {
namespace mx = mlx::core;

struct MergeProjectorSpec {
  int width = 0, merge = 2;  ///< of a patch; patches on a side that become one row
  int hidden = 0, out = 0;
  bool norm = true, bias = true;
  nn::Activation activation = nn::Activation::gelu;

  int merged() const { return width * merge * merge; }
};

/// Neighbouring patches as one row, its norm, two maps (InternVL 1.5, arXiv 2404.16821), under the names
/// layer_norm, linear_1, linear_2.
class MergeProjector {
 public:
  MergeProjector(const nn::Weights& w, const MergeProjectorSpec& spec);
  /// x `[n, rows · columns, width]` → `[n, rows · columns / merge², out]`.
  mx::array operator()(const mx::array& x, int rows, int columns) const;

 private:
  MergeProjectorSpec spec_;
  std::optional<nn::LayerNorm> norm_;
  nn::Linear linear1_, linear2_;
};

}  // namespace mlx_vision::backbones
