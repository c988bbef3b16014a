#include "backbones/merge_projector.h"

namespace mlx_vision::backbones {

constexpr float kNormEps = 1e-5f;  // torch's default, which the reference leaves

MergeProjector::MergeProjector(const nn::Weights& w, const MergeProjectorSpec& s)
    : spec_(s),
      linear1_(w["linear_1"], s.merged(), s.hidden, s.bias),
      linear2_(w["linear_2"], s.hidden, s.out, s.bias) {
  if (s.norm) norm_.emplace(w["layer_norm"], s.merged(), kNormEps);
}

mx::array MergeProjector::operator()(const mx::array& x, int rows, int columns) const {
  auto h = nn::merge_patches(x, rows, columns, spec_.merge);
  if (norm_) h = (*norm_)(h);
  return linear2_(nn::activate(spec_.activation, linear1_(h)));
}

}  // namespace mlx_vision::backbones
