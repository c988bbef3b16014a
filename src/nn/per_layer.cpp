#include "nn/per_layer.h"

#include <cmath>
#include <numbers>

namespace mlx_vision::nn {

PerLayerInputs::PerLayerInputs(const Weights& body, const PerLayerSpec& spec, const Sizes& sizes)
    : spec_(spec),
      sizes_(sizes),
      table_(body["embed_tokens_per_layer"], spec.vocab, sizes.layers * spec.width),
      projection_(body["per_layer_model_projection"], sizes.hidden, sizes.layers * spec.width, false),
      norm_(body["per_layer_projection_norm"], spec.width, sizes.norm_eps) {}

mx::array PerLayerInputs::operator()(const mx::array& ids, const mx::array& h) const {
  const mx::Shape shape{h.shape(0), h.shape(1), sizes_.layers, spec_.width};
  // As the reference: tokens that the table does not know are its first.
  const auto known = mx::where(mx::less(ids, mx::array(spec_.vocab, ids.dtype())), ids, mx::zeros_like(ids));
  const auto from_ids = mx::reshape(table_(known), shape);
  const auto from_states = projection_(h);
  const auto normed =
      norm_(mx::reshape(from_states * scalar(1 / std::sqrt(float(sizes_.hidden)), from_states), shape));
  const auto sum = normed + mx::astype(from_ids * scalar(std::sqrt(float(spec_.width)), from_ids), h.dtype());
  return sum * scalar(1 / std::numbers::sqrt2_v<float>, sum);
}

PerLayerGate::PerLayerGate(const Weights& block, const Spec& s)
    : gate_(block["per_layer_input_gate"], s.hidden, s.width, false),
      projection_(block["per_layer_projection"], s.width, s.hidden, false),
      norm_(block["post_per_layer_input_norm"], s.hidden, s.norm_eps),
      activation_(s.activation) {}

mx::array PerLayerGate::operator()(const mx::array& h, const mx::array& input) const {
  return norm_(projection_(activate(activation_, gate_(h), input)));
}

}  // namespace mlx_vision::nn
