#include "backbones/qwen_vit.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "nn/rope.h"

namespace mlx_vision::backbones {
namespace {

constexpr float kNormEps = 1e-6f;  // fixed in modeling_qwen2_vl.py
constexpr float kTheta = 10000;
constexpr int kMaxWidth = 1 << 16, kMaxLayers = 512;

QwenVitSpec parse(const core::ConfigReader& c, std::string_view width_key, int default_width) {
  QwenVitSpec s;
  s.hidden = c.size_or(width_key, default_width, 1, kMaxWidth);
  s.layers = c.size_or("depth", 32, 1, kMaxLayers);
  s.heads = c.size_or("num_heads", 16, 1, s.hidden);
  s.patch = c.size_or("patch_size", 14, 1, 256);
  s.temporal_patch = c.size_or("temporal_patch_size", 2, 1, 16);
  s.merge = c.size_or("spatial_merge_size", 2, 1, 16);
  s.channels = c.size_or("in_channels", c.size_or("in_chans", 3, 3, 3), 3, 3);
  if (s.hidden % (4 * s.heads) != 0)
    c.fail("num_heads", "expected heads whose width is a multiple of 4, got " + std::to_string(s.heads) +
                            " heads of " + std::to_string(s.hidden));
  c.ignore({"model_type", "spatial_patch_size", "tokens_per_second", "initializer_range", "torch_dtype",
            "dtype", "image_size", "layer_norm_eps", "vocab_size"});
  return s;
}

// What the files of the generations call the same things.
struct Names {
  std::string_view fc1 = "fc1", fc2 = "fc2", merger_norm = "ln_q", merger_in = "mlp.0", merger_out = "mlp.2";
};

Names names_of(const QwenVitSpec& s) {
  if (s.table_side == 0) return {};
  return {"linear_fc1", "linear_fc2", "norm", "linear_fc1", "linear_fc2"};
}

}  // namespace

QwenVitSpec qwen2_vit(const core::ConfigReader& c) {
  auto s = parse(c, "embed_dim", 1280);
  s.mlp_hidden = int(float(s.hidden) * c.get_or("mlp_ratio", 4.0f));
  if (s.mlp_hidden < 1 || s.mlp_hidden > kMaxWidth) c.fail("mlp_ratio", "out of range");
  s.out = c.size_or("hidden_size", 3584, 1, kMaxWidth);
  s.activation = nn::activation_or(c, "hidden_act", "quick_gelu");
  return s;
}

QwenVitSpec qwen2_5_vit(const core::ConfigReader& c) {
  auto s = parse(c, "hidden_size", 3584);
  s.gated_rms = true;
  s.mlp_hidden = c.size_or("intermediate_size", 3420, 1, kMaxWidth);
  s.out = c.size_or("out_hidden_size", 3584, 1, kMaxWidth);
  s.window = c.size_or("window_size", 112, s.patch * s.merge, 1 << 16);
  const auto full = c.get_or<std::vector<int>>("fullatt_block_indexes", {7, 15, 23, 31});
  s.full_blocks = {full.begin(), full.end()};
  if (const auto act = c.get_or<std::string>("hidden_act", "silu"); act != "silu")
    c.fail("hidden_act", "expected silu, got " + act);
  c.ignore({"mlp_ratio"});
  return s;
}

QwenVitSpec qwen3_vit(const core::ConfigReader& c) {
  auto s = parse(c, "hidden_size", 1152);
  s.mlp_hidden = c.size_or("intermediate_size", 4304, 1, kMaxWidth);
  s.out = c.size_or("out_hidden_size", 3584, 1, kMaxWidth);
  s.activation = nn::activation_or(c, "hidden_act", "gelu_pytorch_tanh");
  const int positions = c.size_or("num_position_embeddings", 2304, 1, 1 << 24);
  s.table_side = int(std::lround(std::sqrt(double(positions))));
  if (s.table_side * s.table_side != positions)
    c.fail("num_position_embeddings", "expected a square, got " + std::to_string(positions));
  s.taps = c.get_or<std::vector<int>>("deepstack_visual_indexes", {8, 16, 24});
  for (const int tap : s.taps)
    if (tap < 0 || tap >= s.layers)
      c.fail("deepstack_visual_indexes",
             "expected blocks below " + std::to_string(s.layers) + ", got " + std::to_string(tap));
  if (std::adjacent_find(s.taps.begin(), s.taps.end(), std::greater_equal()) != s.taps.end())
    c.fail("deepstack_visual_indexes", "expected ascending blocks");
  return s;
}

TableTaps table_taps(const PatchGrid& grid, int side, int merge) {
  // Of each place on an axis: the first of two table entries, and the second's weight.
  const auto places = [&](int count) {
    std::vector<std::pair<int, float>> out;
    for (int i = 0; i < count; ++i) {
      const float place = float(i) * float(side - 1) / float(std::max(count - 1, 1));
      out.emplace_back(int(place), place - std::floor(place));
    }
    return out;
  };
  const auto down = places(grid.rows), across = places(grid.columns);
  TableTaps frame;
  const auto append = [&](int row, int column) {
    const auto [y, below] = down[row];
    const auto [x, right] = across[column];
    const int y1 = std::min(y + 1, side - 1), x1 = std::min(x + 1, side - 1);
    frame.rows.insert(frame.rows.end(), {y * side + x, y * side + x1, y1 * side + x, y1 * side + x1});
    frame.weights.insert(frame.weights.end(), {(1 - below) * (1 - right), (1 - below) * right,
                                               below * (1 - right), below * right});
  };
  for (int top = 0; top < grid.rows; top += merge)
    for (int left = 0; left < grid.columns; left += merge)
      for (int y = top; y < top + merge; ++y)
        for (int x = left; x < left + merge; ++x) append(y, x);
  TableTaps out;
  for (int i = 0; i < grid.frames; ++i) {
    out.rows.insert(out.rows.end(), frame.rows.begin(), frame.rows.end());
    out.weights.insert(out.weights.end(), frame.weights.begin(), frame.weights.end());
  }
  return out;
}

WindowOrder window_order(const PatchGrid& grid, const QwenVitSpec& s) {
  const int side = s.window / s.merge / s.patch;  // of a window, in merged patches
  const int rows = grid.rows / s.merge, columns = grid.columns / s.merge;
  WindowOrder out;
  for (int frame = 0; frame < grid.frames; ++frame)
    for (int top = 0; top < rows; top += side)
      for (int left = 0; left < columns; left += side) {
        for (int y = top; y < std::min(rows, top + side); ++y)
          for (int x = left; x < std::min(columns, left + side); ++x)
            out.order.push_back((frame * rows + y) * columns + x);
        out.ends.push_back(int(out.order.size()) * s.merge * s.merge);
      }
  return out;
}

QwenVit::Norm QwenVit::make_norm(const nn::Weights& w, const QwenVitSpec& s) {
  if (s.gated_rms) return nn::RmsNorm(w, s.hidden, kNormEps);
  return nn::LayerNorm(w, s.hidden, kNormEps);
}

mx::array QwenVit::apply(const Norm& norm, const mx::array& x) {
  return std::visit([&](const auto& n) { return n(x); }, norm);
}

QwenVit::Block::Block(const nn::Weights& w, const QwenVitSpec& s)
    : norm1(make_norm(w["norm1"], s)),
      norm2(make_norm(w["norm2"], s)),
      qkv(w["attn"]["qkv"], s.hidden, 3 * s.hidden, true),
      proj(w["attn"]["proj"], s.hidden, s.hidden, true),
      mlp(s.gated_rms ? decltype(mlp)(nn::GatedMlp(w["mlp"], {s.hidden, s.mlp_hidden, true}))
                      : decltype(mlp)(nn::Mlp(w["mlp"][names_of(s).fc1], w["mlp"][names_of(s).fc2],
                                              {s.hidden, s.mlp_hidden, s.activation}))),
      heads(s.heads) {}

QwenVit::Merger::Merger(const nn::Weights& w, const QwenVitSpec& s, bool last)
    : norm_last(last),
      norm(last ? Norm(nn::LayerNorm(w["norm"], s.hidden * s.merge * s.merge, kNormEps))
                : make_norm(w[names_of(s).merger_norm], s)),
      in(w[names_of(s).merger_in], s.hidden * s.merge * s.merge, s.hidden * s.merge * s.merge, true),
      out(w[names_of(s).merger_out], s.hidden * s.merge * s.merge, s.out, true),
      width(s.hidden * s.merge * s.merge) {}

// x [L, hidden] → [L / merge², out]
mx::array QwenVit::Merger::operator()(const mx::array& x) const {
  const auto h =
      norm_last ? apply(norm, mx::reshape(x, {-1, width})) : mx::reshape(apply(norm, x), {-1, width});
  return out(nn::activate(nn::Activation::gelu, in(h)));
}

mx::array QwenVit::Block::attend(const mx::array& x, const Rotation& rotation,
                                 std::span<const int> ends) const {
  const auto parts = mx::split(qkv(apply(norm1, x)), 3, -1);
  const auto rotate = [&](const mx::array& y) {
    return mx::astype(nn::rotate_half_pairs(nn::split_heads(y, heads), rotation.cos, rotation.sin),
                      y.dtype());
  };
  const int head_dim = x.shape(-1) / heads;
  const float scale = 1 / std::sqrt(float(head_dim));
  const auto y =
      nn::block_attention(rotate(parts[0]), rotate(parts[1]), nn::split_heads(parts[2], heads), scale, ends);
  return x + proj(nn::merge_heads(y));
}

mx::array QwenVit::Block::operator()(const mx::array& x, const Rotation& rotation,
                                     std::span<const int> ends) const {
  const auto h = attend(x, rotation, ends);
  nn::settle(h);
  const auto n = apply(norm2, h);
  return h + std::visit([&](const auto& m) { return m(n); }, mlp);
}

QwenVit::QwenVit(const nn::Weights& w, const QwenVitSpec& s)
    : spec_(s),
      patch_(w["patch_embed"]["proj"], s.channels, s.hidden, {s.temporal_patch, s.patch, s.patch},
             s.table_side > 0),
      merger_(w["merger"], s, false) {
  for (int i = 0; i < s.layers; ++i) blocks_.emplace_back(w["blocks"][i], s);
  if (s.table_side > 0) table_.emplace(w["pos_embed"], s.table_side * s.table_side, s.hidden);
  for (int i = 0; i < int(s.taps.size()); ++i)
    tap_mergers_.emplace_back(w["deepstack_merger_list"][i], s, true);
}

// Row and column of each patch in merge-block order, times the frequencies: `[L, head_dim / 2]`, first half
// rows.
mx::array QwenVit::angles(const PatchGrid& grid) const {
  const int dim = spec_.hidden / spec_.heads / 2, m = spec_.merge;
  std::vector<float> frequencies(dim / 2);
  for (int i = 0; i < dim / 2; ++i) frequencies[i] = 1 / std::pow(kTheta, float(2 * i) / float(dim));
  std::vector<float> out;
  out.reserve(std::size_t(grid.frames) * grid.rows * grid.columns * dim);
  const auto append = [&](int position) {
    for (const float f : frequencies) out.push_back(float(position) * f);
  };
  for (int frame = 0; frame < grid.frames; ++frame)
    for (int block = 0; block < grid.rows / m * (grid.columns / m); ++block)
      for (int inner = 0; inner < m * m; ++inner) {
        append(block / (grid.columns / m) * m + inner / m);
        append(block % (grid.columns / m) * m + inner % m);
      }
  return mx::array(out.begin(), {int(out.size()) / dim, dim}, mx::float32);
}

// [L, hidden] float32
mx::array QwenVit::positions(const PatchGrid& grid) const {
  const auto taps = table_taps(grid, spec_.table_side, spec_.merge);
  const int length = int(taps.rows.size()) / 4;
  const auto rows = (*table_)(mx::array(taps.rows.begin(), {length, 4}, mx::int32));
  return mx::sum(rows * mx::array(taps.weights.begin(), {length, 4, 1}, mx::float32), 1);
}

mx::array QwenVit::operator()(const mx::array& patches, const PatchGrid& grid) const {
  const int length = patches.shape(0), unit = spec_.merge * spec_.merge;
  auto h = patch_(patches);
  if (table_) h = h + mx::astype(positions(grid), h.dtype());
  auto theta = angles(grid);
  std::vector<int> whole, windows;
  for (int frame = 1; frame <= grid.frames; ++frame) whole.push_back(frame * grid.rows * grid.columns);
  std::optional<mx::array> order;
  if (spec_.window > 0) {
    auto plan = window_order(grid, spec_);
    windows = std::move(plan.ends);
    order = mx::array(plan.order.begin(), {int(plan.order.size())}, mx::int32);
    const auto reorder = [&](const mx::array& x) {
      return mx::reshape(mx::take(mx::reshape(x, {length / unit, unit, -1}), *order, 0), {length, -1});
    };
    h = reorder(h);
    theta = reorder(theta);
  }
  const auto both = mx::concatenate({theta, theta}, -1);
  const Rotation rotation{mx::cos(both), mx::sin(both)};
  h = mx::expand_dims(h, 0);
  nn::settle(h);
  std::vector<mx::array> tapped;
  for (int i = 0; i < spec_.layers; ++i) {
    h = blocks_[i](h, rotation, order && !spec_.full_blocks.contains(i) ? windows : whole);
    nn::settle(h);
    if (tapped.size() < spec_.taps.size() && spec_.taps[tapped.size()] == i) {
      tapped.push_back(tap_mergers_[tapped.size()](mx::squeeze(h, 0)));
      nn::settle(tapped.back());
    }
  }
  h = merger_(mx::squeeze(h, 0));
  if (order) return mx::take(h, mx::argsort(*order, 0), 0);
  tapped.insert(tapped.begin(), h);
  return nn::joined(std::move(tapped), 1);
}

}  // namespace mlx_vision::backbones
