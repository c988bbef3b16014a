#include "nn/self_attention.h"

#include <cmath>
#include <utility>

namespace mlx_vision::nn {
namespace {

mx::array batch_row(const mx::array& x, int b) {
  if (x.shape(0) == 1) return x;
  return mx::slice(x, {b, 0, 0, 0}, {b + 1, x.shape(1), x.shape(2), x.shape(3)});
}

// x [1, heads, L, d], whose first row stands at `begin`.
mx::array grown(const mx::array& x, const QueryGrowth& growth, int begin) {
  if (begin + x.shape(2) <= growth.context) return x;
  std::vector<float> factors;
  for (int p = begin; p < begin + x.shape(2); ++p)
    factors.push_back(1 + growth.beta * std::log(1 + std::floor(float(p) / float(growth.context))));
  return x * mx::astype(mx::array(factors.begin(), {x.shape(2), 1}, mx::float32), x.dtype());
}

Linear query_map(const Weights& w, const SelfAttentionSpec& s) {
  if (s.grouped_qkv) return {w["wqkv"], s.hidden, (s.heads + 2 * s.kv_heads) * s.head_dim, s.qkv_bias};
  return {w["q_proj"], s.hidden, s.heads * s.head_dim * (s.output_gate ? 2 : 1), s.qkv_bias};
}

}  // namespace

SelfAttention::SelfAttention(const Weights& w, const SelfAttentionSpec& s)
    : spec_(s),
      o_(w["o_proj"], s.heads * (s.latent ? s.latent->value_dim : s.head_dim), s.hidden, s.output_bias) {
  if (spec_.scale == 0) spec_.scale = 1 / std::sqrt(float(s.head_dim));
  if (s.latent) {
    latent_.emplace(w, *s.latent, s.hidden, s.heads);
    return;
  }
  q_.emplace(query_map(w, s));
  if (s.head_norm) q_norm_.emplace(w["q_norm"], s.head_dim, s.norm_eps, s.norm_offset);
  if (s.shared_keys) {  // some files hold them nevertheless
    for (const char* name : {"k_proj", "v_proj", "k_norm", "v_norm"}) w[name].skip();
    return;
  }
  if (!s.grouped_qkv) k_.emplace(w["k_proj"], s.hidden, s.kv_heads * s.head_dim, s.qkv_bias);
  if (!s.grouped_qkv && !s.keys_as_values)
    v_.emplace(w["v_proj"], s.hidden, s.kv_heads * s.head_dim, s.qkv_bias);
  if (s.head_norm) k_norm_.emplace(w["k_norm"], s.head_dim, s.norm_eps, s.norm_offset);
}

SelfAttention::Projected SelfAttention::project(const mx::array& x) const {
  if (latent_) {
    auto heads = (*latent_)(x);
    return {std::move(heads.queries), std::move(heads.keys), std::move(heads.values)};
  }
  if (spec_.grouped_qkv) {
    const int shared = spec_.heads / spec_.kv_heads;
    const auto groups =
        mx::reshape((*q_)(x), {x.shape(0), x.shape(1), spec_.kv_heads, shared + 2, spec_.head_dim});
    const auto parts = mx::split(groups, mx::Shape{shared, shared + 1}, 3);
    const auto heads = [](const mx::array& part) { return mx::swapaxes(mx::flatten(part, 2, 3), 1, 2); };
    // The cache keeps the values: as a part of the whole, they would keep that.
    return {heads(parts[0]), heads(parts[1]), mx::contiguous(heads(parts[2]))};
  }
  Projected out{.queries = split_heads((*q_)(x), spec_.heads)};
  if (k_) out.keys = split_heads((*k_)(x), spec_.kv_heads);
  if (k_) out.values = v_ ? split_heads((*v_)(x), spec_.kv_heads) : *out.keys;
  return out;
}

// The cache holds the keys of these queries' tokens.
mx::array SelfAttention::attend(mx::array queries, const KvCache& cache,
                                std::span<const MutualRows> mutual) const {
  const int count = queries.shape(2), end = cache.length(), begin = end - count;
  if (spec_.growth) queries = grown(queries, *spec_.growth, begin);
  const auto [keys, values] = cache.visible();
  const bool ordinary =
      spec_.softcap == 0 &&
      (count == 1 || (mutual.empty() && keys.shape(2) == end && (spec_.window == 0 || end <= spec_.window)));
  if (ordinary) return attention(queries, keys, values, spec_.scale, count > 1 ? Mask::causal : Mask::none);
  auto visible = visible_keys(begin, count, spec_.window, mutual);
  visible.key_begin = cache.begin();
  return attention(queries, keys, values, spec_.scale, visible, spec_.softcap);
}

mx::array SelfAttention::operator()(const mx::array& x, const Rope& rope, const StepPositions& positions,
                                    std::span<LayerCache* const> caches) const {
  auto [queries, keys, values] = project(x);
  std::optional<mx::array> gate;
  if (spec_.output_gate) {
    const auto both = mx::split(queries, 2, -1);
    queries = both[0];
    gate = merge_heads(both[1]);
  }
  if (q_norm_) queries = (*q_norm_)(queries);
  queries = rope(queries, positions.table);
  if (k_norm_) keys = (*k_norm_)(*keys);
  if (keys) keys = rope(*keys, positions.table);
  if (values && spec_.value_norm) values = rms_normed(*values, spec_.norm_eps);
  std::vector<mx::array> outputs;  // sequences differ in length, so each attends on its own
  for (int b = 0; b < int(caches.size()); ++b) {
    auto& cache = std::get<KvCache>(*caches[b]);
    if (keys) cache.append(batch_row(*keys, b), batch_row(*values, b));
    outputs.push_back(attend(batch_row(queries, b), cache, positions.mutual));
  }
  const auto y = merge_heads(joined(std::move(outputs), 0));
  return o_(gate ? y * mx::sigmoid(*gate) : y);
}

}  // namespace mlx_vision::nn
