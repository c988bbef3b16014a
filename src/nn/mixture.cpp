#include "nn/mixture.h"

#include <cmath>

namespace mlx_vision::nn {
namespace {

// Fewer products than this are not worth the sorting (mlx-lm's switch layers).
constexpr std::size_t kSortFrom = 64;

// MLX 0.32.4 on CUDA gives wrong sums for dense products that are said to be sorted.
bool trusts_sorted() { return mx::default_device() == mx::Device::cpu || mx::metal::is_available(); }

}  // namespace

ExpertLinear::ExpertLinear(const Weights& w, int experts, int in, int out) : weight_(mx::array(0.0f)) {
  if (!w.has("scales")) {
    weight_ = w.require("weight", {experts, out, in});
    return;
  }
  quant_ = w.quantization(in);
  weight_ = w.require("weight", {experts, out, in * quant_.bits / 32});
  scales_ = w.require("scales", {experts, out, in / quant_.group_size});
  if (quant_.mode == "affine") biases_ = w.require("biases", {experts, out, in / quant_.group_size});
}

mx::array ExpertLinear::operator()(const mx::array& x, const mx::array& experts, bool sorted) const {
  if (!scales_)
    return mx::gather_mm(x, mx::swapaxes(weight_, -1, -2), std::nullopt, experts, sorted && trusts_sorted());
  return mx::gather_qmm(x, weight_, *scales_, biases_, std::nullopt, experts, /*transpose=*/true,
                        quant_.group_size, quant_.bits, quant_.mode, std::nullopt, sorted);
}

Mixture::Experts Mixture::load(const Weights& w, const MixtureSpec& s) {
  if (const auto e = w["experts"]; e.has("gate_up_proj")) {
    const bool in_out = s.layout == ExpertLayout::in_out;
    const auto as_out_in = [&](std::string_view name, int in, int out) {
      return in_out ? mx::swapaxes(e.require(name, {s.experts, in, out}), 1, 2)
                    : e.require(name, {s.experts, out, in});
    };
    const auto both = mx::split(as_out_in("gate_up_proj", s.width, 2 * s.hidden), 2, 1);
    return {ExpertLinear(both[0]), ExpertLinear(both[1]),
            ExpertLinear(as_out_in("down_proj", s.hidden, s.width))};
  }
  if (const auto e = w["experts"]; e[0]["gate_proj"].has("weight")) {
    const auto stacked = [&](std::string_view name, int in, int out) {
      std::vector<mx::array> each;
      for (int i = 0; i < s.experts; ++i) each.push_back(e[i][name].require("weight", {out, in}));
      return ExpertLinear(mx::stack(each));
    };
    return {stacked("gate_proj", s.width, s.hidden), stacked("up_proj", s.width, s.hidden),
            stacked("down_proj", s.hidden, s.width)};
  }
  const auto m = w["switch_mlp"];
  return {ExpertLinear(m["gate_proj"], s.experts, s.width, s.hidden),
          ExpertLinear(m["up_proj"], s.experts, s.width, s.hidden),
          ExpertLinear(m["down_proj"], s.experts, s.hidden, s.width)};
}

Mixture::Mixture(const Weights& w, const MixtureSpec& s)
    : spec_(s),
      router_(s.scaled_router ? w["router"]["proj"] : w["gate"], s.width, s.experts, false),
      experts_(load(w, s)) {
  if (s.scaled_router) {
    router_scale_ = w["router"].require("scale", {s.width});
    expert_scale_ = w["router"].require("per_expert_scale", {s.experts});
  }
  if (s.shared_hidden == 0) return;
  shared_.emplace(w["shared_expert"], GatedMlp::Spec{s.width, s.shared_hidden});
  shared_gate_.emplace(w["shared_expert_gate"], s.width, 1, false);
}

// x [N, width], experts and weights [N, chosen] → [N, width]. Many products are sorted by expert, so that
// each expert's weights are read once.
mx::array Mixture::chosen_sum(const mx::array& x, const mx::array& experts, const mx::array& weights) const {
  const int rows = x.shape(0);
  const auto run = [&](const mx::array& in, const mx::array& which, bool sorted) {
    const auto h =
        activate(spec_.activation, experts_.gate(in, which, sorted)) * experts_.up(in, which, sorted);
    return experts_.down(h, which, sorted);
  };
  mx::array y = x;
  if (experts.size() < kSortFrom) {
    y = mx::squeeze(run(mx::expand_dims(x, {1, 2}), experts, false), 2);
  } else {
    const auto flat = mx::flatten(experts);
    const auto order = mx::argsort(flat);
    const auto in = mx::take(x, mx::floor_divide(order, mx::array(spec_.chosen, order.dtype())), 0);
    const auto out = mx::squeeze(run(mx::expand_dims(in, 1), mx::take(flat, order), true), 1);
    y = mx::reshape(mx::take(out, mx::argsort(order), 0), {rows, spec_.chosen, spec_.width});
  }
  return mx::sum(y * mx::expand_dims(mx::astype(weights, y.dtype()), -1), 1);
}

mx::array Mixture::operator()(const mx::array& x, const mx::array& routed) const {
  const auto flat = mx::reshape(x, {-1, spec_.width});
  auto asked = mx::reshape(routed, {-1, spec_.width});
  if (router_scale_) {
    const auto root = scalar(1 / std::sqrt(float(spec_.width)), asked);
    asked = rms_normed(asked, spec_.norm_eps) * mx::astype(*router_scale_, asked.dtype()) * root;
  }
  const auto scores = mx::softmax(router_(asked), -1, /*precise=*/true);
  const auto order = mx::argpartition(mx::negative(scores), spec_.chosen - 1, -1);
  const auto best = mx::slice(order, {0, 0}, {scores.shape(0), spec_.chosen});
  auto weights = mx::take_along_axis(scores, best, -1);
  if (spec_.normalized) weights = weights / mx::sum(weights, -1, /*keepdims=*/true);
  if (expert_scale_) weights = weights * mx::take(mx::astype(*expert_scale_, weights.dtype()), best);
  auto y = chosen_sum(flat, best, weights);
  if (shared_) y = y + mx::sigmoid((*shared_gate_)(flat)) * (*shared_)(flat);
  return mx::reshape(y, x.shape());
}

}  // namespace mlx_vision::nn
