#include "models/shapes.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace mlx_vision::models {
namespace {

// Arrays that nn::activate holds at once, its argument among them.
int arrays_of(nn::Activation kind) { return kind == nn::Activation::gelu_tanh ? 3 : 2; }

// Queries, keys and values before and behind the convolution, which adds up its taps; by value head, queries,
// keys and values and what the rule makes of them in chunks.
void add_recurrence(memory::BlocksShape& out, const nn::DecoderSpec& s) {
  const auto& d = *s.delta_net;
  const std::int64_t mixed =
      2 * std::int64_t(d.key_heads) * d.key_dim + std::int64_t(d.value_heads) * d.value_dim;
  out.recurrent_layers = int(std::count(s.linear.begin(), s.linear.end(), true));
  out.recurrent_values =
      4 * mixed + d.value_heads * (7 * std::int64_t(d.key_dim) + 5 * d.value_dim + 7 * nn::kDeltaChunk);
  out.recurrent_bytes = sizeof(float) * (std::uint64_t(d.value_heads) * d.key_dim * d.value_dim +
                                         std::uint64_t(d.kernel - 1) * std::uint64_t(mixed));
}

// The map into three parts, their product, and the convolution, which adds up its taps.
void add_short_conv(memory::BlocksShape& out, const nn::DecoderSpec& s) {
  out.recurrent_layers = int(std::count(s.linear.begin(), s.linear.end(), true));
  out.recurrent_values = 7 * std::int64_t(s.hidden);
  out.recurrent_bytes = sizeof(float) * std::uint64_t(s.short_conv->kernel - 1) * std::uint64_t(s.hidden);
}

void add_mixture(memory::BlocksShape& out, const nn::MixtureSpec& m) {
  // A block without experts has one MLP: the wider of both counts.
  if (out.mlp_hidden > std::int64_t(m.chosen) * m.hidden) return;
  out.mlp_hidden = m.hidden;
  out.chosen = m.chosen;
  out.shared_hidden = m.shared_hidden;
}

}  // namespace

memory::BlocksShape blocks_shape(const nn::DecoderSpec& s) {
  memory::BlocksShape out{.layers = s.layers,
                          .hidden = s.hidden,
                          .heads = s.heads,
                          .kv_heads = std::max(s.kv_heads, s.global_kv_heads),
                          .head_dim = std::max(s.head_dim, s.global_head_dim),
                          .mlp_hidden = s.wide_shared ? 2 * s.mlp_hidden : s.mlp_hidden,
                          .gated = true,
                          .activation_arrays = arrays_of(s.activation),
                          .rotation = true,
                          .head_norm = s.head_norm};
  for (int i = 0; i < s.layers - s.shared_layers; ++i) out.windowed_layers += s.has_window(i) ? 1 : 0;
  out.shared_layers = s.shared_layers;
  if (s.altup) out.streams = s.altup->streams;
  // Gates less their mean, squared, and what exceeds the cut.
  if (!s.sparsity.empty()) out.mlp_copies = 3;
  out.window = s.window;
  if (s.delta_net) add_recurrence(out, s);
  if (s.short_conv) add_short_conv(out, s);
  if (s.per_layer) out.own_inputs = std::int64_t(s.layers) * s.per_layer->width;
  if (s.mixture) add_mixture(out, *s.mixture);
  if (s.beside) {
    out.chosen = s.beside->chosen;
    out.shared_hidden = out.mlp_hidden;
    out.mlp_hidden = s.beside->hidden;
  }
  return out;
}

namespace {

// Towers of square pictures: nn::Vit and backbones::InternVit.
template <class Spec>
memory::VisionShape square_tower(const Spec& s, bool class_token) {
  return {.blocks = {.layers = s.layers,
                     .hidden = s.hidden,
                     .heads = s.heads,
                     .kv_heads = s.heads,
                     .head_dim = s.hidden / s.heads,
                     .mlp_hidden = s.mlp_hidden,
                     .gated = false,
                     .activation_arrays = arrays_of(s.activation),
                     .rotation = false},
          .patch_values = s.channels * s.patch * s.patch,
          .class_rows = class_token ? 1 : 0,
          .merged_hidden = s.hidden};
}

}  // namespace

memory::VisionShape vision_shape(const nn::VitSpec& s) { return square_tower(s, s.class_token); }

memory::VisionShape vision_shape(const backbones::InternVitSpec& s) { return square_tower(s, true); }

memory::VisionShape vision_shape(const backbones::QwenVitSpec& s) {
  const int side = s.window / s.patch;
  return {.blocks = {.layers = s.layers,
                     .hidden = s.hidden,
                     .heads = s.heads,
                     .kv_heads = s.heads,
                     .head_dim = s.hidden / s.heads,
                     .mlp_hidden = s.mlp_hidden,
                     .gated = s.gated_rms,
                     .activation_arrays = arrays_of(s.gated_rms ? nn::Activation::silu : s.activation),
                     .rotation = true,
                     .wide_rotation = true},
          .patch_values = s.channels * s.temporal_patch * s.patch * s.patch,
          .table_taps = s.table_side > 0 ? 4 : 0,
          .window = side * side,
          .whole = s.window == 0 || (!s.full_blocks.empty() && *s.full_blocks.begin() < s.layers),
          .merge = s.merge * s.merge,
          .merged_hidden = s.hidden * s.merge * s.merge,
          .depth = int(s.taps.size())};
}

memory::VisionShape vision_shape(const backbones::PixtralVitSpec& s) {
  return {.blocks = {.layers = s.layers,
                     .hidden = s.hidden,
                     .heads = s.heads,
                     .kv_heads = s.heads,
                     .head_dim = s.hidden / s.heads,
                     .mlp_hidden = s.mlp_hidden,
                     .gated = true,
                     .activation_arrays = arrays_of(s.activation),
                     .rotation = true},
          .patch_values = s.channels * s.patch * s.patch,
          .merged_hidden = s.hidden};
}

memory::VisionShape vision_shape(const backbones::Gemma4VitSpec& s) {
  return {.blocks = {.layers = s.layers,
                     .hidden = s.hidden,
                     .heads = s.heads,
                     .kv_heads = s.kv_heads,
                     .head_dim = s.head_dim,
                     .mlp_hidden = s.mlp_hidden,
                     .gated = true,
                     .activation_arrays = arrays_of(s.activation),
                     .mlp_copies = s.clipped ? 2 : 0,
                     .rotation = true,
                     .head_norm = true},
          .patch_values = s.channels * s.patch * s.patch,
          .table_taps = 2,
          .merge = s.pool * s.pool,
          .merged_hidden = s.hidden};
}

memory::ImageWork image_work(const memory::ModelShape& model, const processing::PreparedSize& size) {
  memory::ImageWork out;
  out.values = std::accumulate(size.pixels.begin(), size.pixels.end(), std::int64_t(1), std::multiplies<>());
  // Tiles come as [n, C, H, W], patches of one picture as [patches, values].
  out.tiles = size.pixels.size() == 4 ? size.pixels[0] : 1;
  out.patches = out.values / std::max<std::int64_t>(out.tiles, 1) / std::max(model.vision.patch_values, 1);
  out.rows = size.tokens;
  out.scratch_bytes = std::uint64_t(size.scratch_pixels) * 3;
  return out;
}

}  // namespace mlx_vision::models
