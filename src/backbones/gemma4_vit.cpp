#include "backbones/gemma4_vit.h"

#include <array>
#include <cmath>

#include "mlx_vision/error.h"
#include "nn/rope.h"

namespace mlx_vision::backbones {

Gemma4VitSpec gemma4_vit(const core::ConfigReader& c) {
  constexpr int kMaxWidth = 1 << 16, kMaxLayers = 512;
  Gemma4VitSpec s;
  s.hidden = c.size_or("hidden_size", 768, 1, kMaxWidth);
  s.layers = c.size_or("num_hidden_layers", 16, 1, kMaxLayers);
  s.heads = c.size_or("num_attention_heads", 12, 1, kMaxWidth);
  s.kv_heads = c.size_or("num_key_value_heads", 12, 1, s.heads);
  s.head_dim = c.size_or("head_dim", 64, 4, kMaxWidth);
  s.mlp_hidden = c.size_or("intermediate_size", 3072, 1, kMaxWidth);
  s.patch = c.size_or("patch_size", 16, 1, 256);
  s.table = c.size_or("position_embedding_size", 10240, 1, 1 << 20);
  s.pool = c.size_or("pooling_kernel_size", 3, 1, 16);
  s.norm_eps = c.get_or("rms_norm_eps", 1e-6f);
  s.theta = c.child_or_empty("rope_parameters").get_or("rope_theta", 100.0f);
  s.clipped = c.get_or("use_clipped_linears", false);
  s.standardized = c.get_or("standardize", false);
  s.activation = nn::activation_or(c, "hidden_activation", "gelu_pytorch_tanh");
  if (s.head_dim % 4 != 0) c.fail("head_dim", "expected a multiple of 4, got " + std::to_string(s.head_dim));
  if (s.heads % s.kv_heads != 0)
    c.fail("num_key_value_heads", "expected a divisor of " + std::to_string(s.heads));
  if (c.get_or("attention_bias", false)) c.fail("attention_bias", "expected false");
  c.child_or_empty("rope_parameters").ignore({"rope_type"});
  c.ignore({"model_type", "global_head_dim", "max_position_embeddings", "attention_dropout",
            "use_bidirectional_attention", "layer_types", "default_output_length", "initializer_range",
            "torch_dtype", "dtype"});
  return s;
}

Gemma4Vit::ClippedLinear::ClippedLinear(const nn::Weights& w, int in, int out, bool clipped)
    : map_(w["linear"], in, out, false) {
  if (!clipped) {
    for (const char* name : {"input_min", "input_max", "output_min", "output_max"}) w[name].skip();
    return;
  }
  in_low_ = w.require("input_min", {});
  in_high_ = w.require("input_max", {});
  out_low_ = w.require("output_min", {});
  out_high_ = w.require("output_max", {});
}

mx::array Gemma4Vit::ClippedLinear::operator()(const mx::array& x) const {
  if (!in_low_) return map_(x);
  const auto bounded = [](const mx::array& y, const mx::array& low, const mx::array& high) {
    return mx::clip(y, mx::astype(low, y.dtype()), mx::astype(high, y.dtype()));
  };
  return bounded(map_(bounded(x, *in_low_, *in_high_)), *out_low_, *out_high_);
}

Gemma4Vit::Block::Block(const nn::Weights& w, const Gemma4VitSpec& s)
    : attention_norm(w["input_layernorm"], s.hidden, s.norm_eps),
      attention_post_norm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
      mlp_norm(w["pre_feedforward_layernorm"], s.hidden, s.norm_eps),
      mlp_post_norm(w["post_feedforward_layernorm"], s.hidden, s.norm_eps),
      q_norm(w["self_attn"]["q_norm"], s.head_dim, s.norm_eps),
      k_norm(w["self_attn"]["k_norm"], s.head_dim, s.norm_eps),
      q(w["self_attn"]["q_proj"], s.hidden, s.heads * s.head_dim, s.clipped),
      k(w["self_attn"]["k_proj"], s.hidden, s.kv_heads * s.head_dim, s.clipped),
      v(w["self_attn"]["v_proj"], s.hidden, s.kv_heads * s.head_dim, s.clipped),
      o(w["self_attn"]["o_proj"], s.heads * s.head_dim, s.hidden, s.clipped),
      gate(w["mlp"]["gate_proj"], s.hidden, s.mlp_hidden, s.clipped),
      up(w["mlp"]["up_proj"], s.hidden, s.mlp_hidden, s.clipped),
      down(w["mlp"]["down_proj"], s.mlp_hidden, s.hidden, s.clipped),
      heads(s.heads),
      kv_heads(s.kv_heads),
      eps(s.norm_eps),
      activation(s.activation) {}

mx::array Gemma4Vit::Block::attend(const mx::array& x, std::span<const Rotation> rotations) const {
  // Each half of a head turns by its own axis.
  const auto turned = [&](const mx::array& y) {
    auto halves = mx::split(y, 2, -1);
    for (std::size_t axis = 0; axis < 2; ++axis)
      halves[axis] = mx::astype(nn::rotate_half_pairs(halves[axis], rotations[axis].cos, rotations[axis].sin),
                                y.dtype());
    return mx::concatenate(std::move(halves), -1);
  };
  const auto n = attention_norm(x);
  const auto queries = turned(q_norm(nn::split_heads(q(n), heads)));
  const auto keys = turned(k_norm(nn::split_heads(k(n), kv_heads)));
  const auto values = nn::rms_normed(nn::split_heads(v(n), kv_heads), eps);
  return o(nn::merge_heads(nn::attention(queries, keys, values, /*scale=*/1, nn::Mask::none)));
}

mx::array Gemma4Vit::Block::operator()(const mx::array& x, std::span<const Rotation> rotations) const {
  const auto h = x + attention_post_norm(attend(x, rotations));
  nn::settle(h);
  const auto n = mlp_norm(h);
  return h + mlp_post_norm(down(nn::activate(activation, gate(n), up(n))));
}

Gemma4Vit::Gemma4Vit(const nn::Weights& w, const Gemma4VitSpec& s)
    : spec_(s),
      patch_(w["patch_embedder"]["input_proj"], s.channels * s.patch * s.patch, s.hidden, false),
      positions_(w["patch_embedder"].require("position_embedding_table", {2, s.table, s.hidden})) {
  for (int i = 0; i < s.layers; ++i) blocks_.emplace_back(w["encoder"]["layers"][i], s);
  if (!s.standardized) return;
  bias_ = w.require("std_bias", {s.hidden});
  scale_ = w.require("std_scale", {s.hidden});
}

Gemma4Vit::Rotation Gemma4Vit::rotation(std::span<const int> positions, mx::Dtype dtype) const {
  const int half = spec_.head_dim / 4;  // frequencies of an axis
  std::vector<float> cos, sin;
  for (const int position : positions)
    for (int twice = 0; twice < 2; ++twice)
      for (int i = 0; i < half; ++i) {
        const float angle = float(position) / std::pow(spec_.theta, float(i) / float(half));
        cos.push_back(std::cos(angle));
        sin.push_back(std::sin(angle));
      }
  const mx::Shape shape{int(positions.size()), 2 * half};
  return {mx::astype(mx::array(cos.begin(), shape, mx::float32), dtype),
          mx::astype(mx::array(sin.begin(), shape, mx::float32), dtype)};
}

mx::array Gemma4Vit::pooled(const mx::array& x, const PatchRows& grid) const {
  const int p = spec_.pool;
  const auto blocks =
      mx::reshape(mx::astype(x, mx::float32), {grid.rows / p, p, grid.columns / p, p, spec_.hidden});
  const auto means = mx::reshape(mx::mean(blocks, std::vector<int>{1, 3}), {-1, spec_.hidden});
  const auto rows = means * std::sqrt(float(spec_.hidden));
  if (!bias_) return mx::astype(rows, x.dtype());
  return mx::astype((rows - mx::astype(*bias_, mx::float32)) * mx::astype(*scale_, mx::float32), x.dtype());
}

mx::array Gemma4Vit::operator()(const mx::array& patches, const PatchRows& grid) const {
  if (grid.rows > spec_.table || grid.columns > spec_.table)
    throw MediaError("image: " + std::to_string(grid.columns) + "x" + std::to_string(grid.rows) +
                     " patches, this model has positions for " + std::to_string(spec_.table) + " on a side");
  std::vector<int> columns, rows;
  for (int y = 0; y < grid.rows; ++y)
    for (int x = 0; x < grid.columns; ++x) {
      columns.push_back(x);
      rows.push_back(y);
    }
  const int count = int(rows.size());
  const auto places = [&](int axis, const std::vector<int>& at) {
    const auto table =
        mx::squeeze(mx::slice(positions_, {axis, 0, 0}, {axis + 1, spec_.table, spec_.hidden}), 0);
    return mx::take(table, mx::array(at.begin(), {count}, mx::int32), 0);
  };
  const auto embedded = patch_(mx::astype((patches - 0.5f) * 2.0f, positions_.dtype()));
  auto h = mx::expand_dims(embedded + places(0, columns) + places(1, rows), 0);
  nn::settle(h);
  const std::array rotations{rotation(columns, h.dtype()), rotation(rows, h.dtype())};
  for (const auto& block : blocks_) {
    h = block(h, rotations);
    nn::settle(h);
  }
  return pooled(h, grid);
}

}  // namespace mlx_vision::backbones
