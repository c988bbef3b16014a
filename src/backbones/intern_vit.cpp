#include "backbones/intern_vit.h"

#include <cmath>

namespace mlx_vision::backbones {
namespace {

// A number, or two equal ones.
int square_side(const core::ConfigReader& c, std::string_view key, int fallback) {
  constexpr int kMaxSide = 1 << 14;
  if (!c.is_array(key)) return c.size_or(key, fallback, 1, kMaxSide);
  const auto sides = c.get<std::vector<int>>(key);
  if (sides.size() != 2 || sides[0] != sides[1] || sides[0] < 1 || sides[0] > kMaxSide)
    c.fail(key, "expected one number, or two equal ones, from 1 to " + std::to_string(kMaxSide));
  return sides[0];
}

InternVitSpec parse(const core::ConfigReader& c) {
  constexpr int kMaxWidth = 1 << 16, kMaxLayers = 512;
  InternVitSpec s;
  s.hidden = c.size_or("hidden_size", 1024, 1, kMaxWidth);
  s.layers = c.size_or("num_hidden_layers", 24, 1, kMaxLayers);
  s.heads = c.size_or("num_attention_heads", 16, 1, s.hidden);
  s.mlp_hidden = c.size_or("intermediate_size", 4096, 1, kMaxWidth);
  s.image = square_side(c, "image_size", 448);
  s.patch = square_side(c, "patch_size", 14);
  s.channels = c.size_or("num_channels", 3, 3, 3);
  s.norm_eps = c.get_or("layer_norm_eps", 1e-6f);
  s.activation = nn::activation_or(c, "hidden_act", "gelu");
  const auto norm = c.get_or<std::string>("norm_type", "layer_norm");
  if (norm != "layer_norm" && norm != "rms_norm")
    c.fail("norm_type", "expected layer_norm or rms_norm, got " + norm);
  s.rms_norm = norm == "rms_norm";
  if (s.hidden % s.heads != 0)
    c.fail("num_attention_heads", "expected a divisor of hidden_size " + std::to_string(s.hidden));
  if (s.patch > s.image) c.fail("patch_size", "expected at most image_size " + std::to_string(s.image));
  c.ignore({"model_type", "attention_dropout", "initializer_range", "initializer_factor", "torch_dtype",
            "dtype", "dropout", "drop_path_rate", "use_flash_attn", "use_bfloat16", "hidden_dropout_prob",
            "projection_dropout", "layer_scale_init_value", "use_mean_pooling", "architectures"});
  return s;
}

}  // namespace

InternVitSpec intern_vit_original(const core::ConfigReader& c) {
  auto s = parse(c);
  s.fused = true;
  s.qkv_bias = c.get_or("qkv_bias", true);
  s.qk_norm = c.get_or("qk_normalization", false);
  return s;
}

InternVitSpec intern_vit(const core::ConfigReader& c) {
  auto s = parse(c);
  s.qkv_bias = c.get_or("attention_bias", false);
  s.qk_norm = c.get_or("use_qk_norm", false);
  if (c.get_or("use_mask_token", false)) c.fail("use_mask_token", "expected false");
  if (!c.get_or("use_absolute_position_embeddings", true))
    c.fail("use_absolute_position_embeddings", "expected true");
  return s;
}

InternVit::Norm InternVit::make_norm(const nn::Weights& w, const InternVitSpec& s) {
  if (s.rms_norm) return nn::RmsNorm(w, s.hidden, s.norm_eps);
  return nn::LayerNorm(w, s.hidden, s.norm_eps);
}

InternVit::Qkv::Qkv(const nn::Weights& w, const InternVitSpec& s) {
  if (s.fused) {
    maps.emplace_back(w["qkv"], s.hidden, 3 * s.hidden, s.qkv_bias);
    return;
  }
  for (const char* name : {"q_proj", "k_proj", "v_proj"})
    maps.emplace_back(w[name], s.hidden, s.hidden, s.qkv_bias);
}

std::vector<mx::array> InternVit::Qkv::operator()(const mx::array& x) const {
  if (maps.size() == 1) return mx::split(maps[0](x), 3, -1);
  return {maps[0](x), maps[1](x), maps[2](x)};
}

InternVit::Block::Block(const nn::Weights& w, const InternVitSpec& s)
    : norm1(make_norm(w["layernorm_before"], s)),
      norm2(make_norm(w["layernorm_after"], s)),
      qkv(w["attention"], s),
      out(w["attention"]["projection_layer"], s.hidden, s.hidden, true),
      mlp(w["mlp"]["fc1"], w["mlp"]["fc2"], {s.hidden, s.mlp_hidden, s.activation}),
      scale1(w.require("lambda_1", {s.hidden})),
      scale2(w.require("lambda_2", {s.hidden})),
      heads(s.heads) {
  if (!s.qk_norm) return;
  q_norm.emplace(w["attention"]["q_norm"], s.hidden, s.norm_eps);
  k_norm.emplace(w["attention"]["k_norm"], s.hidden, s.norm_eps);
}

mx::array InternVit::Block::attend(const mx::array& x) const {
  auto parts = qkv(x);
  if (q_norm) {
    parts[0] = (*q_norm)(parts[0]);
    parts[1] = (*k_norm)(parts[1]);
  }
  const int head_dim = x.shape(-1) / heads;
  const float scale = 1 / std::sqrt(float(head_dim));
  return out(nn::merge_heads(nn::attention(nn::split_heads(parts[0], heads), nn::split_heads(parts[1], heads),
                                           nn::split_heads(parts[2], heads), scale, nn::Mask::none)));
}

mx::array InternVit::Block::operator()(const mx::array& x) const {
  const auto normed = [](const Norm& norm, const mx::array& y) {
    return std::visit([&](const auto& n) { return n(y); }, norm);
  };
  const auto h = x + attend(normed(norm1, x)) * scale1;
  nn::settle(h);
  return h + mlp(normed(norm2, h)) * scale2;
}

InternVit::InternVit(const nn::Weights& w, const InternVitSpec& s)
    : spec_(s),
      patch_(w["embeddings"]["patch_embeddings"]["projection"], s.channels, s.hidden, {s.patch, s.patch},
             true),
      class_token_(w["embeddings"].require("cls_token", {1, 1, s.hidden})),
      positions_(w["embeddings"].require("position_embeddings", {1, s.side() * s.side() + 1, s.hidden})) {
  for (int i = 0; i < s.layers; ++i) blocks_.emplace_back(w["encoder"]["layer"][i], s);
}

mx::array InternVit::operator()(const mx::array& pixels) const {
  const auto patches = patch_(nn::to_patches(pixels, spec_.patch));
  auto h = mx::concatenate({mx::broadcast_to(class_token_, {patches.shape(0), 1, spec_.hidden}), patches}, 1);
  h = h + positions_;
  nn::settle(h);
  for (const auto& block : blocks_) {
    h = block(h);
    nn::settle(h);
  }
  return h;
}

}  // namespace mlx_vision::backbones
