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

// Evaluates these with the states, which would otherwise hold all that leads to them until the step is done.
void settle_with(std::span<RecurrentState* const> states, std::vector<mx::array> xs) {
  for (const auto* state : states) {
    if (state->inputs) xs.push_back(*state->inputs);
    if (state->state) xs.push_back(*state->state);
  }
  settle(xs);
}

// Rows of the axis before the last, padded with zeros to whole chunks: [B, H, L, d] → [B, H, chunks,
// kDeltaChunk, d].
mx::array chunked(const mx::array& x) {
  const int length = x.shape(2), chunks = (length + kDeltaChunk - 1) / kDeltaChunk;
  const auto padded = mx::pad(x, std::vector<int>{2}, mx::Shape{0}, mx::Shape{chunks * kDeltaChunk - length});
  return mx::reshape(padded, {x.shape(0), x.shape(1), chunks, kDeltaChunk, x.shape(3)});
}

// The n × n blocks on the diagonal of a [..., m, m], `[..., m / n, n, n]`.
mx::array diagonal_blocks(const mx::array& a, int n) {
  const int m = a.shape(-1), axis = int(a.ndim()) - 2;
  auto shape = mx::Shape(a.shape().begin(), a.shape().end() - 2);
  shape.insert(shape.end(), {m / n, n, m / n, n});
  return mx::moveaxis(mx::diagonal(mx::reshape(a, shape), 0, axis, axis + 2), -1, axis);
}

// (I + a)⁻¹ for strictly lower triangular a [..., m, m], m a power of two: the inverse of two blocks and what
// lies below them from the blocks' own, from single values upwards. Sums of powers would lose all digits
// where keys repeat.
mx::array inverse_of_unit_lower(const mx::array& a) {
  const int m = a.shape(-1);
  auto inverse = mx::ones_like(diagonal_blocks(a, 1));
  for (int n = 1; n < m; n *= 2) {
    auto shape = inverse.shape();
    const std::size_t axis = shape.size() - 3;
    shape[axis] /= 2;
    shape.insert(shape.begin() + std::ptrdiff_t(axis) + 1, 2);
    const auto pairs = mx::split(mx::reshape(inverse, shape), 2, int(axis) + 1);
    const auto first = mx::squeeze(pairs[0], int(axis) + 1), second = mx::squeeze(pairs[1], int(axis) + 1);
    const auto whole = diagonal_blocks(a, 2 * n);
    auto from = mx::Shape(whole.ndim(), 0), to = whole.shape();
    from[whole.ndim() - 2] = n;
    to.back() = n;
    const auto below = mx::negative(mx::matmul(second, mx::matmul(mx::slice(whole, from, to), first)));
    inverse = mx::concatenate(
        {mx::concatenate({first, mx::zeros_like(first)}, -1), mx::concatenate({below, second}, -1)}, -2);
  }
  return mx::squeeze(inverse, -3);
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
  const auto states = states_of(caches);
  const auto y = conv_(parts[0] * parts[2], states);
  settle_with(states, {y});
  return out_(parts[1] * y);
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
  settle(std::vector{fresh, old_keys});
  const auto within = mx::matmul(q, keys_t) * between;
  const auto last = mx::slice(decay, {0, 0, 0, kDeltaChunk - 1, 0}, decay.shape());
  const auto old_queries = q * mx::exp(decay), new_keys = mx::swapaxes(k * mx::exp(last - decay), -1, -2);
  const auto kept = mx::exp(last);
  settle(std::vector{within, old_queries, new_keys});

  auto s = state;
  std::vector<mx::array> outputs;
  for (int i = 0; i < q.shape(2); ++i) {
    const auto of = [&](const mx::array& x) { return mx::squeeze(mx::take(x, mx::array({i}, {1}), 2), 2); };
    const auto values = of(fresh) - mx::matmul(of(old_keys), s);
    outputs.push_back(mx::matmul(of(old_queries), s) + mx::matmul(of(within), values));
    s = s * of(kept) + mx::matmul(of(new_keys), values);
    if (i % kDeltaSettled == kDeltaSettled - 1) settle(std::vector{s, outputs.back()});
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
  settle_with(states, {in.queries, in.keys, in.values, in.decay, in.rate});
  std::vector<mx::array> before;
  for (const auto* state : states)
    before.push_back(state->state.value_or(
        mx::zeros({1, spec_.value_heads, spec_.key_dim, spec_.value_dim}, mx::float32)));
  const auto [y, after] = gated_delta_rule(in, joined(std::move(before), 0));
  for (int b = 0; b < int(states.size()); ++b) states[b]->state = batch_row(after, b);
  settle_with(states, {y});
  const auto normed = norm_(mx::astype(mx::swapaxes(y, 1, 2), x.dtype()));  // [B, L, heads, value_dim]
  const auto gate = mx::reshape(mx::astype(z_(x), mx::float32), normed.shape());
  const auto gated = mx::astype(normed * activate(Activation::silu, gate), x.dtype());
  return out_(mx::flatten(gated, 2, 3));
}

}  // namespace mlx_vision::nn
