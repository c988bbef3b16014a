#include "nn/altup.h"

namespace mlx_vision::nn {
namespace {

// Root of the mean square of each row, in float32.
mx::array magnitude(const mx::array& x, float least) {
  const auto square = mx::mean(mx::square(mx::astype(x, mx::float32)), -1, true);
  return mx::sqrt(mx::maximum(square, mx::array(least)));
}

// x with the magnitude `target`.
mx::array matched(const mx::array& x, const mx::array& target) {
  constexpr float kLeastSquare = 1e-5f;
  return mx::astype(mx::astype(x, mx::float32) * (target / magnitude(x, kLeastSquare)), x.dtype());
}

mx::array stream(const mx::array& x, int i) {
  return mx::squeeze(mx::slice(x, {0, 0, i, 0}, {x.shape(0), x.shape(1), i + 1, x.shape(3)}), 2);
}

}  // namespace

AltUp::AltUp(const Weights& w, const AltUpSpec& spec, const Sizes& sizes)
    : spec_(spec),
      sizes_(sizes),
      norm_(w["router_norm"], sizes.hidden, sizes.norm_eps),
      router_(w["modality_router"], sizes.hidden, spec.streams, false),
      prediction_(w["prediction_coefs"], spec.streams, spec.streams * spec.streams, false),
      correction_(w["correction_coefs"], spec.streams, spec.streams, false),
      scale_(w.require("correct_output_scale", {sizes.hidden})) {}

mx::array AltUp::modalities(const mx::array& x) const {
  const auto normed = norm_(x);
  return mx::tanh(router_(normed * scalar(1 / float(sizes_.hidden), normed)));
}

mx::array AltUp::active(const mx::array& x) const { return stream(x, spec_.active); }

mx::array AltUp::scaled_active(const mx::array& x) const {
  const auto y = active(x);
  return spec_.scaled ? y * mx::astype(scale_, y.dtype()) : y;
}

mx::array AltUp::predict(const mx::array& x) const {
  const auto factors =
      mx::reshape(prediction_(modalities(active(x))), {x.shape(0), x.shape(1), spec_.streams, spec_.streams});
  return x + mx::matmul(factors, x);
}

mx::array AltUp::correct(const mx::array& predicted, const mx::array& computed) const {
  const auto factors = correction_(modalities(computed));
  const auto news = mx::expand_dims(computed - active(predicted), 2);
  return predicted + news * mx::expand_dims(factors + scalar(1, factors), 3);
}

mx::array AltUp::added_behind_first(const mx::array& x, const mx::array& y) {
  const auto rest = mx::slice(x, {0, 0, 1, 0}, x.shape());
  return mx::concatenate(
      {mx::slice(x, {0, 0, 0, 0}, {x.shape(0), x.shape(1), 1, x.shape(3)}), rest + mx::expand_dims(y, 2)}, 2);
}

AltUpStreams::AltUpStreams(const Weights& body, int streams, int hidden) {
  for (int i = 0; i + 1 < streams; ++i) {
    into_.emplace_back(body["altup_projections"][i], hidden, hidden, false);
    out_of_.emplace_back(body["altup_unembed_projections"][i], hidden, hidden, false);
  }
}

mx::array AltUpStreams::expand(const mx::array& h) const {
  const auto target = magnitude(h, 0);
  std::vector<mx::array> streams{h};
  for (const auto& projection : into_) streams.push_back(matched(projection(h), target));
  return mx::stack(streams, 2);
}

mx::array AltUpStreams::combine(const mx::array& x) const {
  const auto first = stream(x, 0);
  const auto target = magnitude(first, 0);
  auto sum = first;
  for (int i = 0; i < int(out_of_.size()); ++i)
    sum = sum + matched(out_of_[std::size_t(i)](stream(x, i + 1)), target);
  return sum * scalar(1 / float(out_of_.size() + 1), sum);
}

}  // namespace mlx_vision::nn
