#include "backbones/image_towers.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace mlx_vision::backbones {
namespace {

struct Defaults {
  int hidden, layers, heads, mlp_hidden, image, patch;
  float norm_eps;
  const char* activation;
};

nn::VitSpec parse(const core::ConfigReader& c, const Defaults& d) {
  constexpr int kMaxWidth = 1 << 16, kMaxLayers = 512, kMaxSide = 1 << 14;
  nn::VitSpec s;
  s.hidden = c.size_or("hidden_size", d.hidden, 1, kMaxWidth);
  s.layers = c.size_or("num_hidden_layers", d.layers, 1, kMaxLayers);
  s.heads = c.size_or("num_attention_heads", d.heads, 1, s.hidden);
  s.mlp_hidden = c.size_or("intermediate_size", d.mlp_hidden, 1, kMaxWidth);
  s.image = c.size_or("image_size", d.image, 1, kMaxSide);
  s.patch = c.size_or("patch_size", d.patch, 1, s.image);
  s.channels = c.size_or("num_channels", 3, 3, 3);
  s.norm_eps = c.get_or("layer_norm_eps", d.norm_eps);
  s.activation = nn::activation_or(c, "hidden_act", d.activation);
  if (s.hidden % s.heads != 0)
    c.fail("num_attention_heads", "expected a divisor of hidden_size " + std::to_string(s.hidden));
  c.ignore({"model_type", "attention_dropout", "initializer_range", "initializer_factor", "projection_dim",
            "vocab_size", "torch_dtype", "dtype", "vision_use_head", "tie_word_embeddings", "use_base_siglip",
            "max_image_size", "size"});
  return s;
}

}  // namespace

nn::VitSpec clip(const core::ConfigReader& c) {
  auto s = parse(c, {768, 12, 12, 3072, 224, 32, 1e-5f, "quick_gelu"});
  s.class_token = true;
  return s;
}

nn::VitSpec siglip(const core::ConfigReader& c) {
  return parse(c, {768, 12, 12, 3072, 224, 16, 1e-6f, "gelu_pytorch_tanh"});
}

nn::VitSpec siglip_so400m(const core::ConfigReader& c) {
  return parse(c, {1152, 27, 16, 4304, 384, 14, 1e-6f, "gelu_pytorch_tanh"});
}

nn::VitSpec idefics3_vision(const core::ConfigReader& c) {
  return parse(c, {1152, 12, 16, 3072, 224, 32, 1e-6f, "gelu_pytorch_tanh"});
}

nn::VitSpec siglip2_naflex(const core::ConfigReader& c) {
  const int patches = c.size_or("num_patches", 256, 1, 1 << 24),
            side = int(std::lround(std::sqrt(double(patches))));
  if (side * side != patches) c.fail("num_patches", "expected a square, got " + std::to_string(patches));
  auto s = parse(c, {768, 12, 12, 3072, 224, 16, 1e-6f, "gelu_pytorch_tanh"});
  s.image = side * s.patch;
  s.flat_patches = true;
  c.ignore({"image_size"});
  return s;
}

namespace {

// What each of `to` places takes from each of `from`, [to, from]: triangles as wide as two places of the
// coarser side.
nn::mx::array triangle_weights(int from, int to) {
  const float scale = float(from) / float(to), reach = std::max(scale, 1.0f);
  std::vector<float> out(std::size_t(from) * to, 0.0f);
  for (int i = 0; i < to; ++i) {
    const float center = scale * (float(i) + 0.5f);
    const int begin = std::max(int(center - reach + 0.5f), 0),
              end = std::min(int(center + reach + 0.5f), from);
    float* row = out.data() + std::size_t(i) * from;
    float sum = 0;
    for (int j = begin; j < end; ++j) {
      row[j] = std::max(0.0f, 1 - std::abs((float(j) - center + 0.5f) / reach));
      sum += row[j];
    }
    for (int j = begin; j < end; ++j) row[j] /= sum;
  }
  return nn::mx::array(out.begin(), {to, from}, nn::mx::float32);
}

}  // namespace

nn::mx::array resized_positions(const nn::mx::array& table, int rows, int columns) {
  namespace mx = nn::mx;
  const int side = int(std::lround(std::sqrt(double(table.shape(0))))), width = table.shape(1);
  if (rows == side && columns == side) return table;
  const auto square = mx::astype(mx::reshape(table, {side, side * width}), mx::float32);
  const auto tall = mx::reshape(mx::matmul(triangle_weights(side, rows), square), {rows, side, width});
  const auto both = mx::matmul(triangle_weights(side, columns), tall);
  return mx::astype(mx::reshape(both, {rows * columns, width}), table.dtype());
}

nn::VitSpec image_tower(const core::ConfigReader& c) {
  const auto type = c.get_or<std::string>("model_type", "clip_vision_model");
  if (type == "clip_vision_model") return clip(c);
  if (type == "siglip_vision_model") return siglip(c);
  c.fail("model_type", "expected clip_vision_model or siglip_vision_model, got " + type);
}

nn::mx::array bucket_positions(int rows, int columns, int side) {
  const auto buckets = [&](int count) {
    std::vector<int> out(count);
    for (int i = 0; i < count; ++i) out[i] = int(std::int64_t(i) * side / count);
    return out;
  };
  const auto y = buckets(rows), x = buckets(columns);
  std::vector<int> ids;
  ids.reserve(std::size_t(rows) * columns);
  for (const int r : y)
    for (const int c : x) ids.push_back(r * side + c);
  return nn::mx::array(ids.begin(), {int(ids.size())}, nn::mx::int32);
}

}  // namespace mlx_vision::backbones
