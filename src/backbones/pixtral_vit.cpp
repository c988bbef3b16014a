#include "backbones/pixtral_vit.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "nn/rope.h"

namespace mlx_vision::backbones {
namespace {

constexpr float kNormEps = 1e-5f;  // fixed in modeling_pixtral.py

}  // namespace

PixtralVitSpec pixtral_vit(const core::ConfigReader& c) {
  constexpr int kMaxWidth = 1 << 16, kMaxLayers = 512;
  PixtralVitSpec s;
  s.hidden = c.size_or("hidden_size", 1024, 1, kMaxWidth);
  s.layers = c.size_or("num_hidden_layers", 24, 1, kMaxLayers);
  s.heads = c.size_or("num_attention_heads", 16, 1, s.hidden);
  s.mlp_hidden = c.size_or("intermediate_size", 4096, 1, kMaxWidth);
  s.patch = c.size_or("patch_size", 16, 1, 256);
  s.channels = c.size_or("num_channels", 3, 3, 3);
  s.activation = nn::activation_or(c, "hidden_act", "gelu");
  const auto rope = c.child_or_empty("rope_parameters");
  s.theta = rope.get_or("rope_theta", c.get_or("rope_theta", 10000.0f));
  if (s.hidden % (4 * s.heads) != 0)
    c.fail("num_attention_heads", "expected heads whose width is a multiple of 4, got " +
                                      std::to_string(s.heads) + " heads of " + std::to_string(s.hidden));
  if (const int width = c.get_or("head_dim", s.hidden / s.heads); width != s.hidden / s.heads)
    c.fail("head_dim", "expected hidden_size / num_attention_heads, got " + std::to_string(width));
  rope.ignore({"rope_type"});
  c.ignore({"model_type", "image_size", "attention_dropout", "initializer_range", "torch_dtype", "dtype",
            "is_composition", "tie_word_embeddings", "vocab_size"});
  return s;
}

PixtralVit::Block::Block(const nn::Weights& w, const PixtralVitSpec& s)
    : attention_norm(w["attention_norm"], s.hidden, kNormEps),
      mlp_norm(w["ffn_norm"], s.hidden, kNormEps),
      q(w["attention"]["q_proj"], s.hidden, s.hidden, false),
      k(w["attention"]["k_proj"], s.hidden, s.hidden, false),
      v(w["attention"]["v_proj"], s.hidden, s.hidden, false),
      o(w["attention"]["o_proj"], s.hidden, s.hidden, false),
      mlp(w["feed_forward"], {s.hidden, s.mlp_hidden, false, s.activation}),
      heads(s.heads) {}

mx::array PixtralVit::Block::operator()(const mx::array& x, const Rotation& rotation) const {
  const auto n = attention_norm(x);
  const auto rotated = [&](const nn::Linear& map) {
    return nn::rotate_half_pairs(nn::split_heads(map(n), heads), rotation.cos, rotation.sin);
  };
  const int head_dim = x.shape(2) / heads;
  const float scale = 1 / std::sqrt(float(head_dim));
  const auto y = nn::attention(rotated(q), rotated(k), nn::split_heads(v(n), heads), scale, nn::Mask::none);
  const auto h = x + o(nn::merge_heads(y));
  nn::settle(h);
  return h + mlp(mlp_norm(h));
}

PixtralVit::PixtralVit(const nn::Weights& w, const PixtralVitSpec& s)
    : spec_(s),
      patch_(w["patch_conv"], s.channels, s.hidden, {s.patch, s.patch}, false),
      pre_norm_(w["ln_pre"], s.hidden, kNormEps) {
  for (int i = 0; i < s.layers; ++i) blocks_.emplace_back(w["transformer"]["layers"][i], s);
}

// Of a head's d/2 frequencies rows take the even ones, columns the odd.
PixtralVit::Rotation PixtralVit::rotation(int rows, int columns, mx::Dtype dtype) const {
  const int d = spec_.hidden / spec_.heads;
  std::vector<float> angles;
  angles.reserve(std::size_t(rows) * columns * d / 2);
  const auto append = [&](int position, int first) {
    for (int i = first; i < d / 2; i += 2)
      angles.push_back(float(position) / std::pow(spec_.theta, float(2 * i) / float(d)));
  };
  for (int y = 0; y < rows; ++y)
    for (int x = 0; x < columns; ++x) {
      append(y, 0);
      append(x, 1);
    }
  const auto half = mx::array(angles.begin(), {rows * columns, d / 2}, mx::float32);
  const auto both = mx::concatenate({half, half}, -1);
  return {mx::astype(mx::cos(both), dtype), mx::astype(mx::sin(both), dtype)};
}

mx::array PixtralVit::operator()(const mx::array& pixels, std::span<const int> wanted) const {
  auto h = pre_norm_(patch_(nn::to_patches(pixels, spec_.patch)));
  const auto turn = rotation(pixels.shape(2) / spec_.patch, pixels.shape(3) / spec_.patch, h.dtype());
  nn::settle(h);
  std::map<int, mx::array> kept;  // all the others are dropped as soon as they are used
  const auto index = [&](int layer) { return layer < 0 ? spec_.layers + 1 + layer : layer; };
  const auto keep = [&](int layer) {
    if (std::any_of(wanted.begin(), wanted.end(), [&](int w) { return index(w) == layer; }))
      kept.emplace(layer, h);
  };
  keep(0);
  for (int i = 0; i < spec_.layers; ++i) {
    h = blocks_[i](h, turn);
    nn::settle(h);
    keep(i + 1);
  }
  std::vector<mx::array> out;
  for (const int layer : wanted) out.push_back(kept.at(index(layer)));
  return nn::joined(std::move(out), -1);
}

}  // namespace mlx_vision::backbones
