#include "nn/vit.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace mlx_vision::nn {

Vit::Block::Block(const Weights& w, const VitSpec& s)
    : norm1(w["layer_norm1"], s.hidden, s.norm_eps),
      norm2(w["layer_norm2"], s.hidden, s.norm_eps),
      q(w["self_attn"]["q_proj"], s.hidden, s.hidden, true),
      k(w["self_attn"]["k_proj"], s.hidden, s.hidden, true),
      v(w["self_attn"]["v_proj"], s.hidden, s.hidden, true),
      o(w["self_attn"]["out_proj"], s.hidden, s.hidden, true),
      mlp(w["mlp"]["fc1"], w["mlp"]["fc2"], {s.hidden, s.mlp_hidden, s.activation}),
      heads(s.heads),
      head_dim(s.hidden / s.heads) {}

mx::array Vit::Block::attend(const mx::array& x) const {
  const auto n = norm1(x);
  const auto y = attention(split_heads(q(n), heads), split_heads(k(n), heads), split_heads(v(n), heads),
                           1 / std::sqrt(float(head_dim)), Mask::none);
  return x + o(merge_heads(y));
}

mx::array Vit::Block::operator()(const mx::array& x) const {
  const auto h = attend(x);
  settle(h);
  return h + mlp(norm2(h));
}

Vit::Patches Vit::make_patches(const Weights& w, const VitSpec& s) {
  if (s.flat_patches) return Linear(w, s.channels * s.patch * s.patch, s.hidden, true);
  return PatchEmbed(w, s.channels, s.hidden, {s.patch, s.patch}, !s.class_token);
}

Vit::Vit(const Weights& w, const VitSpec& s, bool use_post_norm)
    : spec_(s),
      patch_(make_patches(w["embeddings"]["patch_embedding"], s)),
      position_(Embedding(w["embeddings"]["position_embedding"],
                          (s.image / s.patch) * (s.image / s.patch) + (s.class_token ? 1 : 0), s.hidden)
                    .table()) {
  if (s.class_token) {
    class_token_ = w["embeddings"].require("class_embedding", {s.hidden});
    pre_norm_.emplace(w["pre_layrnorm"], s.hidden, s.norm_eps);  // sic: the name in the files
  }
  for (int i = 0; i < s.layers; ++i) blocks_.emplace_back(w["encoder"]["layers"][i], s);
  if (use_post_norm)
    post_norm_.emplace(w["post_layernorm"], s.hidden, s.norm_eps);
  else
    w["post_layernorm"].skip();
  w["head"].skip();  // SigLIP's pooling head: no model here uses it
}

std::vector<mx::array> Vit::states(const mx::array& pixels, std::span<const int> wanted,
                                   const std::optional<mx::array>& position_ids) const {
  auto h = std::get<PatchEmbed>(patch_)(to_patches(pixels, spec_.patch));
  if (class_token_)
    h = mx::concatenate({mx::broadcast_to(*class_token_, {h.shape(0), 1, spec_.hidden}), h}, 1);
  h = h + (position_ids ? mx::take(position_, *position_ids, 0) : position_);
  if (pre_norm_) h = (*pre_norm_)(h);
  return run(h, wanted);
}

std::vector<mx::array> Vit::states_of_patches(const mx::array& patches, const mx::array& positions,
                                              std::span<const int> wanted) const {
  return run(std::get<Linear>(patch_)(patches) + positions, wanted);
}

std::vector<mx::array> Vit::run(mx::array h, std::span<const int> wanted) const {
  settle(h);
  const auto index = [&](int block) { return block < 0 ? spec_.layers + 1 + block : block; };
  const int last = index(
      *std::max_element(wanted.begin(), wanted.end(), [&](int a, int b) { return index(a) < index(b); }));
  std::map<int, mx::array> kept;
  for (int i = 0;; ++i) {
    if (std::any_of(wanted.begin(), wanted.end(), [&](int block) { return index(block) == i; }))
      kept.emplace(i, h);
    if (i == last) break;
    h = blocks_[i](h);
    settle(h);
  }
  std::vector<mx::array> out;
  for (const int block : wanted) out.push_back(kept.at(index(block)));
  return out;
}

}  // namespace mlx_vision::nn
