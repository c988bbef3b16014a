#include "nn/recurrence.h"

#include <cmath>

#include "nn/attention.h"

namespace mlx_vision::nn {
namespace {

mx::array batch_row(const mx::array& x, int b) {
  auto begin = mx::Shape(x.ndim(), 0), end = x.shape();
  begin[0] = b;
  end[0] = b + 1;
  return mx::slice(x, begin, end);
}

std::vector<RecurrentState*> states_of(std::span<LayerCache* const> caches) {
  std::vector<RecurrentState*> out;
  for (auto* cache : caches) out.push_back(&std::get<RecurrentState>(*cache));
  return out;
}

// Rows of the axis before the last, padded with zeros to whole chunks: [B, H, L, d] → [B, H, chunks,
// kDeltaChunk, d].
mx::array chunked(const mx::array& x) {
  const int length = x.shape(2), chunks = (length + kDeltaChunk - 1) / kDeltaChunk;
  const auto padded = mx::pad(x, std::vector<int>{2}, mx::Shape{0}, mx::Shape{chunks * kDeltaChunk - length});
  return mx::reshape(padded, {x.shape(0), x.shape(1), chunks, kDeltaChunk, x.shape(3)});
}

// (I + a)⁻¹ for strictly lower triangular a [..., n, n], by forward substitution: sums of powers would lose
// all digits where keys repeat.
mx::array inverse_of_unit_lower(const mx::array& a) {
  const int n = a.shape(-1);
  auto shape = a.shape();
  shape[shape.size() - 2] = 1;
  const auto identity = mx::eye(n);
  const auto unit = [&](int i) { return mx::broadcast_to(mx::slice(identity, {i, 0}, {i + 1, n}), shape); };
  std::vector<mx::array> rows{unit(0)};
  for (int i = 1; i < n; ++i) {
    auto begin = mx::Shape(a.ndim(), 0), end = a.shape();
    begin[begin.size() - 2] = i;
    end[end.size() - 2] = i + 1;
    end.back() = i;
    rows.push_back(unit(i) - mx::matmul(mx::slice(a, begin, end), mx::concatenate(rows, -2)));
  }
  return mx::concatenate(std::move(rows), -2);
}

std::pair<mx::array, mx::array> one_token(const DeltaRuleInputs& in, const mx::array& state) {
  const auto column = [](const mx::array& x) { return mx::swapaxes(x, -1, -2); };  // [B, H, d, 1]
  const auto kept = state * mx::expand_dims(mx::exp(in.decay), -1);
  const auto correction = (in.values - mx::matmul(in.keys, kept)) * mx::expand_dims(in.rate, -1);
  const auto next = kept + column(in.keys) * correction;
  return {mx::matmul(in.queries, next), next};
}

}  // namespace

CausalConv::CausalConv(const Weights& w, int width, int kernel, bool bias)
    : taps_(mx::transpose(mx::squeeze(w.require_conv("weight", {width, kernel, 1}), 2))) {
  if (bias) bias_ = w.require("bias", {width});
}

mx::array CausalConv::operator()(const mx::array& x, std::span<RecurrentState* const> states) const {
  const int batch = x.shape(0), length = x.shape(1), width = x.shape(2), before = taps_.shape(0) - 1;
  std::vector<mx::array> earlier;
  for (const auto* state : states)
    earlier.push_back(state->inputs.value_or(mx::zeros({1, before, width}, x.dtype())));
  const auto all = mx::concatenate({joined(std::move(earlier), 0), x}, 1);
  const auto rows = [&](int from, int count) {
    return mx::slice(all, {0, from, 0}, {batch, from + count, width});
  };
  for (int b = 0; b < batch; ++b) states[b]->inputs = mx::contiguous(batch_row(rows(length, before), b));
  mx::array y = rows(before, length) * mx::slice(taps_, {before, 0}, {before + 1, width});
  for (int k = 0; k < before; ++k) y = y + rows(k, length) * mx::slice(taps_, {k, 0}, {k + 1, width});
  return bias_ ? y + *bias_ : y;
}

ShortConv::ShortConv(const Weights& w, const ShortConvSpec& s)
    : in_(w["in_proj"], s.hidden, 3 * s.hidden, s.bias),
      out_(w["out_proj"], s.hidden, s.hidden, s.bias),
      conv_(w["conv"], s.hidden, s.kernel, s.bias) {}

mx::array ShortConv::operator()(const mx::array& x, std::span<LayerCache* const> caches) const {
  const auto parts = mx::split(in_(x), 3, -1);
  return out_(parts[1] * conv_(parts[0] * parts[2], states_of(caches)));
}

std::pair<mx::array, mx::array> gated_delta_rule(const DeltaRuleInputs& in, const mx::array& state) {
  const int length = in.queries.shape(2);
  if (length == 1) return one_token(in, state);
  const auto q = chunked(in.queries), k = chunked(in.keys);
  const auto rate = chunked(mx::expand_dims(in.rate, -1));
  // Of each token since its chunk began, [B, H, chunks, kDeltaChunk, 1].
  const auto decay = mx::cumsum(chunked(mx::expand_dims(in.decay, -1)), 3);
  const auto lower = mx::tri(kDeltaChunk, kDeltaChunk, 0, mx::bool_);
  const auto between = mx::exp(mx::where(lower, decay - mx::swapaxes(decay, -1, -2),
                                         mx::array(-std::numeric_limits<float>::infinity())));
  const auto keys_t = mx::swapaxes(k, -1, -2);
  const auto system = mx::tril(mx::matmul(k * rate, keys_t) * between, -1);
  const auto inverse = inverse_of_unit_lower(system);
  const auto fresh = mx::matmul(inverse, chunked(in.values) * rate);
  const auto old_keys = mx::matmul(inverse, k * rate * mx::exp(decay));
  const auto within = mx::matmul(q, keys_t) * between;
  const auto last = mx::slice(decay, {0, 0, 0, kDeltaChunk - 1, 0}, decay.shape());
  const auto old_queries = q * mx::exp(decay), new_keys = mx::swapaxes(k * mx::exp(last - decay), -1, -2);
  const auto kept = mx::exp(last);

  auto s = state;
  std::vector<mx::array> outputs;
  for (int i = 0; i < q.shape(2); ++i) {
    const auto of = [&](const mx::array& x) { return mx::squeeze(mx::take(x, mx::array({i}, {1}), 2), 2); };
    const auto values = of(fresh) - mx::matmul(of(old_keys), s);
    outputs.push_back(mx::matmul(of(old_queries), s) + mx::matmul(of(within), values));
    s = s * of(kept) + mx::matmul(of(new_keys), values);
  }
  const auto y = joined(std::move(outputs), 2);
  return {mx::slice(y, {0, 0, 0, 0}, in.values.shape()), s};
}

GatedDeltaNet::GatedDeltaNet(const Weights& w, const DeltaNetSpec& s)
    : spec_(s),
      qkv_(w["in_proj_qkv"], s.hidden, 2 * s.key_heads * s.key_dim + s.value_heads * s.value_dim, false),
      z_(w["in_proj_z"], s.hidden, s.value_heads * s.value_dim, false),
      a_(w["in_proj_a"], s.hidden, s.value_heads, false),
      b_(w["in_proj_b"], s.hidden, s.value_heads, false),
      out_(w["out_proj"], s.value_heads * s.value_dim, s.hidden, false),
      conv_(w["conv1d"], 2 * s.key_heads * s.key_dim + s.value_heads * s.value_dim, s.kernel, false),
      decay_log_(w.require("A_log", {s.value_heads})),
      decay_bias_(w.require("dt_bias", {s.value_heads})),
      norm_(w["norm"], s.value_dim, s.norm_eps) {}

// x [B, L, hidden]; mixed: queries, keys and values behind the convolution.
DeltaRuleInputs GatedDeltaNet::inputs(const mx::array& x, const mx::array& mixed) const {
  const int keys = spec_.key_heads * spec_.key_dim, shared = spec_.value_heads / spec_.key_heads;
  const auto parts = mx::split(mx::astype(mixed, mx::float32), mx::Shape{keys, 2 * keys}, -1);
  const auto unit = [&](const mx::array& part) {
    const auto heads = split_heads(part, spec_.key_heads);
    const auto length = mx::sum(heads * heads, -1, /*keepdims=*/true);
    const auto normed = heads * mx::rsqrt(length + mx::array(1e-6f));
    return shared == 1 ? normed : mx::repeat(normed, shared, 1);
  };
  const auto by_head = [](const mx::array& y) { return mx::swapaxes(mx::astype(y, mx::float32), 1, 2); };
  const auto steps = mx::logaddexp(mx::astype(a_(x), mx::float32) + decay_bias_, mx::array(0.0f));
  return {.queries = unit(parts[0]) * mx::array(1 / std::sqrt(float(spec_.key_dim))),
          .keys = unit(parts[1]),
          .values = split_heads(parts[2], spec_.value_heads),
          .decay = by_head(mx::negative(mx::exp(mx::astype(decay_log_, mx::float32))) * steps),
          .rate = by_head(mx::sigmoid(b_(x)))};
}

mx::array GatedDeltaNet::operator()(const mx::array& x, std::span<LayerCache* const> caches) const {
  const auto states = states_of(caches);
  const auto in = inputs(x, activate(Activation::silu, conv_(qkv_(x), states)));
  std::vector<mx::array> before;
  for (const auto* state : states)
    before.push_back(state->state.value_or(
        mx::zeros({1, spec_.value_heads, spec_.key_dim, spec_.value_dim}, mx::float32)));
  const auto [y, after] = gated_delta_rule(in, joined(std::move(before), 0));
  for (int b = 0; b < int(states.size()); ++b) states[b]->state = batch_row(after, b);
  const auto normed = norm_(mx::astype(mx::swapaxes(y, 1, 2), x.dtype()));  // [B, L, heads, value_dim]
  const auto gate = mx::reshape(mx::astype(z_(x), mx::float32), normed.shape());
  const auto gated = mx::astype(normed * activate(Activation::silu, gate), x.dtype());
  return out_(mx::flatten(gated, 2, 3));
}

}  // namespace mlx_vision::nn
