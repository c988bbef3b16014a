#include "nn/decoder.h"

#include <numbers>

namespace mlx_vision::nn {
namespace {

SelfAttentionSpec attention_spec(const DecoderSpec& s, int layer) {
  return {.hidden = s.hidden,
          .heads = s.heads,
          .kv_heads = s.kv_heads_of(layer),
          .head_dim = s.head_dim_of(layer),
          .qkv_bias = s.qkv_bias,
          .output_bias = s.output_bias,
          .head_norm = s.head_norm,
          .output_gate = s.output_gate,
          .grouped_qkv = s.grouped_qkv,
          .latent = s.latent,
          .value_norm = s.value_norm,
          .keys_as_values = s.keys_as_values && !s.has_window(layer),
          .shared_keys = s.is_shared(layer),
          .norm_eps = s.norm_eps,
          .norm_offset = s.norm_offset,
          .scale = s.attention_scale,
          .softcap = s.score_softcap,
          .growth = s.growth,
          .window = s.has_window(layer) ? s.window : 0};
}

std::variant<GatedMlp, Mixture> make_mlp(const Weights& w, const DecoderSpec& s, int layer) {
  if (s.has_mixture(layer)) return Mixture(w, *s.mixture);
  return GatedMlp(w, {.width = s.hidden,
                      .hidden = s.mlp_hidden_of(layer),
                      .bias = s.mlp_bias,
                      .activation = s.activation,
                      .sparsity = s.sparsity.empty() ? 0 : s.sparsity[std::size_t(layer)]});
}

}  // namespace

int DecoderSpec::mlp_hidden_of(int layer) const {
  if (!mlp_sizes.empty()) return mlp_sizes[std::size_t(layer)];
  return wide_shared && is_shared(layer) ? 2 * mlp_hidden : mlp_hidden;
}

int DecoderSpec::keys_of(int layer) const {
  if (!is_shared(layer)) return layer;
  int source = layers - shared_layers - 1;
  while (source > 0 && has_window(source) != has_window(layer)) --source;
  return source;
}

Decoder::Mixer Decoder::make_mixer(const Weights& block, const DecoderSpec& s, int layer) {
  if (s.has_delta_net(layer)) return GatedDeltaNet(block["linear_attn"], *s.delta_net);
  if (s.has_short_conv(layer)) return ShortConv(block["conv"], *s.short_conv);
  return SelfAttention(block["self_attn"], attention_spec(s, layer));
}

Decoder::Block::Block(const Weights& w, const DecoderSpec& s, int layer)
    : windowed(s.has_window(layer)),
      attention_norm(w["input_layernorm"], s.hidden, s.norm_eps, s.norm_offset),
      mlp_norm(w[s.sandwich ? "pre_feedforward_layernorm" : "post_attention_layernorm"], s.hidden, s.norm_eps,
               s.norm_offset),
      mixer(make_mixer(w, s, layer)),
      mlp(make_mlp(w["mlp"], s, layer)) {
  const auto norm = [&](std::string_view name) {
    return RmsNorm(w[name], s.hidden, s.norm_eps, s.norm_offset);
  };
  if (s.beside)
    beside.emplace(Beside{norm("post_feedforward_layernorm_1"), norm("pre_feedforward_layernorm_2"),
                          norm("post_feedforward_layernorm_2"), Mixture(w, *s.beside)});
  if (s.per_layer)
    per_layer.emplace(w, PerLayerGate::Spec{s.hidden, s.per_layer->width, s.norm_eps, s.activation});
  if (s.altup) altup.emplace(w["altup"], *s.altup, AltUp::Sizes{s.hidden, s.norm_eps});
  if (s.laurel_rank > 0) laurel.emplace(w["laurel"], Laurel::Sizes{s.hidden, s.laurel_rank, s.norm_eps});
  if (s.layer_scalar) factor = w.require("layer_scalar", {1});
  if (!s.sandwich) return;
  attention_post_norm.emplace(w["post_attention_layernorm"], s.hidden, s.norm_eps, s.norm_offset);
  mlp_post_norm.emplace(w["post_feedforward_layernorm"], s.hidden, s.norm_eps, s.norm_offset);
}

LayerCache Decoder::Block::new_cache() const {
  return std::visit([](const auto& m) { return m.new_cache(); }, mixer);
}

mx::array Decoder::Block::mix(const mx::array& x, const Rope& rope, const StepPositions& positions,
                              std::span<LayerCache* const> caches) const {
  if (const auto* attention = std::get_if<SelfAttention>(&mixer))
    return (*attention)(x, rope, positions, caches);
  if (const auto* conv = std::get_if<ShortConv>(&mixer)) return (*conv)(x, caches);
  return std::get<GatedDeltaNet>(mixer)(x, caches);
}

mx::array Decoder::Block::operator()(const mx::array& x, const Rope& rope, const StepPositions& positions,
                                     std::span<LayerCache* const> caches) const {
  const auto normed = attention_norm(x);
  const auto mixed = mix(normed, rope, positions, caches);
  auto h = x + (attention_post_norm ? (*attention_post_norm)(mixed) : mixed);
  if (laurel) h = (h + (*laurel)(normed)) * scalar(1 / std::numbers::sqrt2_v<float>, h);
  settle(h);
  auto y = std::visit([&](const auto& m) { return m(mlp_norm(h)); }, mlp);
  if (beside) {
    y = beside->mlp_post_norm(y);
    settle(y);
    y = y + beside->post_norm(beside->mixture(beside->norm(h), h));
  }
  return h + (mlp_post_norm ? (*mlp_post_norm)(y) : y);
}

mx::array Decoder::Block::finish(const mx::array& h, const std::optional<mx::array>& input) const {
  const auto y = per_layer && input ? h + (*per_layer)(h, *input) : h;
  return factor ? y * mx::astype(*factor, y.dtype()) : y;
}

mx::array Decoder::Block::finish_streams(const mx::array& predicted, const mx::array& h,
                                         const std::optional<mx::array>& input) const {
  const auto y = altup->correct(predicted, h);
  return per_layer && input ? AltUp::added_behind_first(y, (*per_layer)(altup->scaled_active(y), *input)) : y;
}

Decoder::Decoder(const Weights& body, const Weights& head, const DecoderSpec& s)
    : spec_(s),
      dtype_(body.activation_dtype()),
      rope_(s.rope),
      embed_(body["embed_tokens"], s.vocab, s.hidden),
      norm_(body["norm"], s.hidden, s.norm_eps, s.norm_offset),
      head_(s.tied_head ? embed_.as_linear() : Linear(head, s.hidden, s.vocab, false)) {
  if (s.tied_head) head.skip();
  if (s.window_rope) window_rope_.emplace(*s.window_rope);
  if (s.per_layer)
    per_layer_.emplace(body, *s.per_layer, PerLayerInputs::Sizes{s.hidden, s.layers, s.norm_eps});
  if (s.altup) streams_.emplace(body, s.altup->streams, s.hidden);
  blocks_.reserve(s.layers);
  for (int i = 0; i < s.layers; ++i) blocks_.emplace_back(body["layers"][i], s, i);
}

DecoderCache Decoder::new_cache() const {
  DecoderCache out;
  for (const auto& block : blocks_) out.push_back(block.new_cache());
  return out;
}

mx::array Decoder::embed(const mx::array& ids) const {
  const auto h = embed_(ids);
  return spec_.embed_scale == 1 ? h : h * scalar(spec_.embed_scale, h);
}

mx::array Decoder::operator()(mx::array h, const StepPositions& positions,
                              std::span<DecoderCache* const> caches, const DecoderExtras& extras) const {
  auto windowed = positions, global = positions;
  if (window_rope_)
    windowed.table = window_rope_->table_from_offsets(positions.table.begin, h.shape(1), h.dtype());
  if (spec_.mutual_in_windows) global.mutual = {};
  std::optional<mx::array> inputs;
  if (per_layer_ && extras.ids) inputs = (*per_layer_)(*extras.ids, h);
  if (inputs) settle(*inputs);
  if (streams_) h = streams_->expand(h);
  std::vector<LayerCache*> layer(caches.size());
  for (int i = 0; i < int(blocks_.size()); ++i) {
    for (std::size_t b = 0; b < caches.size(); ++b) layer[b] = &(*caches[b])[std::size_t(spec_.keys_of(i))];
    const auto& block = blocks_[std::size_t(i)];
    const auto entering = block.altup ? block.altup->predict(h) : h;
    auto y = block(block.altup ? block.altup->active(entering) : entering,
                   block.windowed && window_rope_ ? *window_rope_ : rope_, block.windowed ? windowed : global,
                   layer);
    if (std::size_t(i) < extras.added.size()) y = y + extras.added[std::size_t(i)];
    std::optional<mx::array> own;
    if (inputs)
      own =
          mx::squeeze(mx::slice(*inputs, {0, 0, i, 0}, {h.shape(0), h.shape(1), i + 1, inputs->shape(3)}), 2);
    h = block.altup ? block.finish_streams(entering, y, own) : block.finish(y, own);
    settle(h);
  }
  return norm_(streams_ ? streams_->combine(h) : h);
}

mx::array Decoder::logits(const mx::array& h) const {
  auto y = head_(h);
  if (spec_.logit_softcap == 0) return y;
  const auto cap = scalar(spec_.logit_softcap, y);
  return cap * mx::tanh(y / cap);
}

}  // namespace mlx_vision::nn
