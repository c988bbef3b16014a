#include "nn/decoder.h"

#include <cmath>

namespace mlx_vision::nn {

Decoder::Block::Block(const Weights& w, const DecoderSpec& s)
    : attn_norm(w["input_layernorm"], s.hidden, s.norm_eps),
      q(w["self_attn"]["q_proj"], s.hidden, s.heads * s.head_dim, s.qkv_bias),
      k(w["self_attn"]["k_proj"], s.hidden, s.kv_heads * s.head_dim, s.qkv_bias),
      v(w["self_attn"]["v_proj"], s.hidden, s.kv_heads * s.head_dim, s.qkv_bias),
      o(w["self_attn"]["o_proj"], s.heads * s.head_dim, s.hidden, s.output_bias),
      mlp_norm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
      mlp(w["mlp"], s.hidden, s.mlp_hidden, s.mlp_bias),
      heads(s.heads),
      kv_heads(s.kv_heads),
      head_dim(s.head_dim) {}

mx::array Decoder::Block::attend(const mx::array& x, const Rope& rope, const Rope::Table& positions,
                                 std::span<KvCache* const> caches) const {
  const auto queries = rope(split_heads(q(x), heads), positions);
  const auto keys = rope(split_heads(k(x), kv_heads), positions);
  const auto values = split_heads(v(x), kv_heads);
  const float scale = 1 / std::sqrt(float(head_dim));
  const auto row = [](const mx::array& a, int b) {
    return mx::slice(a, {b, 0, 0, 0}, {b + 1, a.shape(1), a.shape(2), a.shape(3)});
  };
  const Mask mask = x.shape(1) > 1 ? Mask::causal : Mask::none;
  std::vector<mx::array> outputs;  // sequences differ in length, so each attends on its own
  for (int b = 0; b < int(caches.size()); ++b) {
    const auto [all_keys, all_values] = caches[b]->append(row(keys, b), row(values, b));
    outputs.push_back(attention(row(queries, b), all_keys, all_values, scale, mask));
  }
  return o(merge_heads(joined(std::move(outputs), 0)));
}

mx::array Decoder::Block::operator()(const mx::array& x, const Rope& rope, const Rope::Table& positions,
                                     std::span<KvCache* const> caches) const {
  const auto h = x + attend(attn_norm(x), rope, positions, caches);
  settle(h);
  return h + mlp(mlp_norm(h));
}

Decoder::Decoder(const Weights& body, const Weights& head, const DecoderSpec& s)
    : spec_(s),
      dtype_(body.activation_dtype()),
      rope_(s.rope),
      embed_(body["embed_tokens"], s.vocab, s.hidden),
      norm_(body["norm"], s.hidden, s.norm_eps),
      head_(s.tied_head ? embed_.as_linear() : Linear(head, s.hidden, s.vocab, false)) {
  if (s.tied_head) head.skip();
  blocks_.reserve(s.layers);
  for (int i = 0; i < s.layers; ++i) blocks_.emplace_back(body["layers"][i], s);
}

mx::array Decoder::operator()(mx::array h, const Rope::Table& positions,
                              std::span<DecoderCache* const> caches) const {
  std::vector<KvCache*> layer(caches.size());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    for (std::size_t b = 0; b < caches.size(); ++b) layer[b] = &(*caches[b])[i];
    h = blocks_[i](h, rope_, positions, layer);
    settle(h);
  }
  return norm_(h);
}

}  // namespace mlx_vision::nn
