#include "nn/mixture.h"

#include <cmath>
#include <map>
#include <vector>

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

// On the CPU its rows are read as they lie.
ExpertLinear::ExpertLinear(mx::array weight)
    : weight_(mx::default_device() == mx::Device::cpu ? mx::contiguous(weight) : std::move(weight)) {}

mx::array ExpertLinear::of_one(const mx::array& x, int expert) const {
  const auto own = [&](const mx::array& all) {
    return mx::squeeze(mx::slice(all, {expert, 0, 0}, {expert + 1, all.shape(1), all.shape(2)}), 0);
  };
  const auto maybe = [&](const std::optional<mx::array>& all) {
    return all ? std::optional(own(*all)) : std::nullopt;
  };
  return kernels::linear(x, {.data = own(weight_),
                             .scales = maybe(scales_),
                             .biases = maybe(biases_),
                             .group_size = quant_.group_size,
                             .bits = quant_.bits,
                             .mode = quant_.mode});
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
  shared_.emplace(w[s.plain_shared ? "shared_experts" : "shared_expert"],
                  GatedMlp::Spec{s.width, s.shared_hidden});
  if (!s.plain_shared) shared_gate_.emplace(w["shared_expert_gate"], s.width, 1, false);
}

// x [N, width], experts [N, chosen] → [N, chosen, width]. Many products are sorted by expert, so that each
// expert's weights are read once.
mx::array Mixture::gathered(const mx::array& x, const mx::array& experts) const {
  const auto run = [&](const mx::array& in, const mx::array& which, bool sorted) {
    const auto h =
        activate(spec_.activation, experts_.gate(in, which, sorted)) * experts_.up(in, which, sorted);
    return experts_.down(h, which, sorted);
  };
  if (experts.size() < kSortFrom) return mx::squeeze(run(mx::expand_dims(x, {1, 2}), experts, false), 2);
  const auto flat = mx::flatten(experts);
  const auto order = mx::argsort(flat);
  const auto in = mx::take(x, mx::floor_divide(order, mx::array(spec_.chosen, order.dtype())), 0);
  const auto out = mx::squeeze(run(mx::expand_dims(in, 1), mx::take(flat, order), true), 1);
  return mx::reshape(mx::take(out, mx::argsort(order), 0), {x.shape(0), spec_.chosen, spec_.width});
}

// The same on the CPU, where MLX gathers in plain loops: the rows of each expert as ordinary products, for
// which the choice must be known.
mx::array Mixture::one_by_one(const mx::array& x, const mx::array& experts) const {
  const auto ids = mx::contiguous(mx::flatten(mx::astype(experts, mx::int32)));
  mx::eval(ids);
  std::map<int, std::vector<int>> places;  // of each expert, in the flattened choice
  for (int i = 0; i < int(ids.size()); ++i) places[ids.data<std::int32_t>()[i]].push_back(i);
  std::vector<mx::array> outputs;
  std::vector<int> from(ids.size());  // of each place, its row in the joined outputs
  int joined_rows = 0;
  for (const auto& [expert, at] : places) {
    std::vector<int> rows;
    for (const int place : at) {
      rows.push_back(place / spec_.chosen);
      from[std::size_t(place)] = joined_rows++;
    }
    const auto in = mx::take(x, mx::array(rows.begin(), {int(rows.size())}, mx::int32), 0);
    outputs.push_back(experts_.down.of_one(
        activate(spec_.activation, experts_.gate.of_one(in, expert), experts_.up.of_one(in, expert)),
        expert));
    settle(outputs.back());
  }
  const auto order = mx::array(from.begin(), {int(from.size())}, mx::int32);
  return mx::reshape(mx::take(joined(std::move(outputs), 0), order, 0),
                     {x.shape(0), spec_.chosen, spec_.width});
}

mx::array Mixture::chosen_sum(const mx::array& x, const mx::array& experts, const mx::array& weights) const {
  const bool cpu = mx::default_device() == mx::Device::cpu && x.dtype() == mx::float32;
  const auto y = cpu ? one_by_one(x, experts) : gathered(x, experts);
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
  if (spec_.scaling != 1) weights = weights * scalar(spec_.scaling, weights);
  if (expert_scale_) weights = weights * mx::take(mx::astype(*expert_scale_, weights.dtype()), best);
  auto y = chosen_sum(flat, best, weights);
  if (shared_) {
    const auto own = (*shared_)(flat);
    y = y + (shared_gate_ ? mx::sigmoid((*shared_gate_)(flat)) * own : own);
  }
  return mx::reshape(y, x.shape());
}

}  // namespace mlx_vision::nn
