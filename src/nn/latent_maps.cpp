#include "nn/latent_maps.h"

#include "nn/attention.h"

namespace mlx_vision::nn {
namespace {

constexpr float kNormEps = 1e-6f;  // whatever rms_norm_eps says (transformers, DeepseekV3Attention)

Linear query_map(const Weights& w, const LatentSpec& s, int hidden, int out) {
  if (s.query_rank > 0) return {w["q_b_proj"], s.query_rank, out, false};
  return {w["q_proj"], hidden, out, false};
}

}  // namespace

LatentMaps::LatentMaps(const Weights& w, const LatentSpec& s, int hidden, int heads)
    : spec_(s),
      heads_(heads),
      q_(query_map(w, s, hidden, heads * (s.plain + s.rotated))),
      kv_narrow_(w["kv_a_proj_with_mqa"], hidden, s.rank + s.rotated, s.bias),
      kv_norm_(w["kv_a_layernorm"], s.rank, kNormEps),
      kv_(w["kv_b_proj"], s.rank, heads * (s.plain + s.value_dim), false) {
  if (s.query_rank == 0) return;
  q_narrow_.emplace(w["q_a_proj"], hidden, s.query_rank, s.bias);
  q_norm_.emplace(w["q_a_layernorm"], s.query_rank, kNormEps);
}

mx::array LatentMaps::turning(const mx::array& x) const {
  if (!spec_.interleaved) return x;
  auto shape = x.shape();
  shape.back() /= 2;
  shape.push_back(2);
  return mx::flatten(mx::swapaxes(mx::reshape(x, shape), -1, -2), -2, -1);
}

LatentMaps::Heads LatentMaps::operator()(const mx::array& x) const {
  const auto asked = split_heads(q_(q_narrow_ ? (*q_norm_)((*q_narrow_)(x)) : x), heads_);
  const auto query = mx::split(asked, mx::Shape{spec_.plain}, -1);
  const auto narrow = mx::split(kv_narrow_(x), mx::Shape{spec_.rank}, -1);
  const auto made = mx::split(split_heads(kv_(kv_norm_(narrow[0])), heads_), mx::Shape{spec_.plain}, -1);
  auto shared = made[0].shape();
  shared.back() = spec_.rotated;
  const auto turns = mx::broadcast_to(mx::expand_dims(turning(narrow[1]), 1), shared);
  return {.queries = mx::concatenate({turning(query[1]), query[0]}, -1),
          .keys = mx::concatenate({turns, made[0]}, -1),
          // The cache keeps them: as a part of the whole, they would keep that.
          .values = mx::contiguous(made[1])};
}

}  // namespace mlx_vision::nn
