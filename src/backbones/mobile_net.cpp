#include "backbones/mobile_net.h"

#include <algorithm>
#include <cmath>

#include "mlx_vision/error.h"
#include "nn/attention.h"

namespace mlx_vision::backbones {
namespace {

constexpr float kNormEps = 1e-6f;
constexpr int kMaxWidth = 1 << 16, kMaxKernel = 31;

// A number that a tensor's shape says; 1 where there is none, which the tensor's own check then reports.
int bounded(const mx::Shape& shape, std::size_t axis, int most) {
  return axis < shape.size() && shape[axis] >= 1 && shape[axis] <= most ? shape[axis] : 1;
}

int width_of(const nn::Weights& w) { return bounded(w.shape_of("weight"), 0, kMaxWidth); }

// The third axis is spatial in either layout.
int kernel_of(const nn::Weights& w) { return bounded(w.shape_of("weight"), 2, kMaxKernel); }

nn::ConvSpec conv(const nn::Weights& w, int in, int out, int stride = 1) {
  return {.in = in,
          .out = out,
          .kernel = kernel_of(w),
          .stride = stride,
          .bias = w.has("bias"),
          .padding = nn::ConvPadding::same};
}

nn::ConvSpec depthwise(const nn::Weights& w, int width, int stride = 1) {
  auto spec = conv(w, width, width, stride);
  spec.groups = width;
  return spec;
}

std::optional<mx::array> scale_of(const nn::Weights& w, int width) {
  if (!w["layer_scale"].has("gamma")) return std::nullopt;
  return w["layer_scale"].require("gamma", {width});
}

// y, scaled, and x beside it where the sizes allow.
mx::array residual(const mx::array& x, const mx::array& y, const std::optional<mx::array>& scale) {
  const auto scaled = scale ? y * mx::astype(*scale, y.dtype()) : y;
  return x.shape() == y.shape() ? x + scaled : scaled;
}

// Rows and columns repeated, `[n, h, w, C]` → `[n, rows, columns, C]`.
mx::array enlarged(const mx::array& x, int rows, int columns) {
  const auto nearest = [](const mx::array& from, int axis, int count) {
    if (from.shape(axis) == count) return from;
    std::vector<std::int32_t> source;
    for (int i = 0; i < count; ++i)
      source.push_back(std::int32_t(std::int64_t(i) * from.shape(axis) / count));
    return mx::take(from, mx::array(source.begin(), {count}, mx::int32), axis);
  };
  return nearest(nearest(x, 1, rows), 2, columns);
}

}  // namespace

MobileNetV5::NormedConv::NormedConv(const nn::Weights& c, const nn::Weights& n, const nn::ConvSpec& spec,
                                    bool is_active)
    : conv(c, spec), norm(n, spec.out, kNormEps), active(is_active) {}

mx::array MobileNetV5::NormedConv::operator()(const mx::array& x) const {
  const auto y = conv(x);
  nn::settle(y);
  const auto normed = norm(y);
  return active ? nn::activate(nn::Activation::gelu_tanh, normed) : normed;
}

MobileNetV5::EdgeResidual::EdgeResidual(const nn::Weights& w, int inputs, int step)
    : in(inputs),
      mid(width_of(w["bn1"])),
      out(width_of(w["bn2"])),
      stride(step),
      kernel(kernel_of(w["conv_exp"])),
      expand(w["conv_exp"], w["bn1"], conv(w["conv_exp"], in, mid, stride), true),
      project(w["conv_pwl"], w["bn2"], conv(w["conv_pwl"], mid, out), false) {}

mx::array MobileNetV5::EdgeResidual::operator()(const mx::array& x) const {
  return residual(x, project(expand(x)), {});
}

MobileNetV5::InvertedBottleneck::InvertedBottleneck(const nn::Weights& w, int inputs, int step)
    : in(inputs),
      mid(width_of(w["pw_exp"]["bn"])),
      out(width_of(w["pw_proj"]["bn"])),
      stride(step),
      expand(w["pw_exp"]["conv"], w["pw_exp"]["bn"], conv(w["pw_exp"]["conv"], in, mid), true),
      project(w["pw_proj"]["conv"], w["pw_proj"]["bn"], conv(w["pw_proj"]["conv"], mid, out), false),
      scale(scale_of(w, out)) {
  const auto first = w["dw_start"], second = w["dw_mid"];
  const bool has_middle = second["conv"].has("weight");
  if (first["conv"].has("weight"))
    start.emplace(first["conv"], first["bn"], depthwise(first["conv"], in, has_middle ? 1 : stride), false);
  if (has_middle) middle.emplace(second["conv"], second["bn"], depthwise(second["conv"], mid, stride), true);
}

mx::array MobileNetV5::InvertedBottleneck::operator()(const mx::array& x) const {
  auto y = expand(start ? (*start)(x) : x);
  if (middle) y = (*middle)(y);
  return residual(x, project(y), scale);
}

MobileNetV5::Attention::Reduced::Reduced(const nn::Weights& w, int in, int out)
    : map(w["proj"], conv(w["proj"], in, out)) {
  if (w["down_conv"].has("weight"))
    down.emplace(w["down_conv"], w["norm"], depthwise(w["down_conv"], in, 2), false);
}

// As one head of `[n, 1, rows, width]`.
mx::array MobileNetV5::Attention::Reduced::operator()(const mx::array& x) const {
  return mx::expand_dims(mx::flatten(map(down ? (*down)(x) : x), 1, 2), 1);
}

MobileNetV5::Attention::Attention(const nn::Weights& w, int inputs, int step)
    : in(inputs),
      mid(width_of(w["attn"]["query"]["proj"])),
      out(width_of(w["attn"]["output"]["proj"])),
      stride(step),
      key_dim(width_of(w["attn"]["key"]["proj"])),
      norm(w["norm"], in, kNormEps),
      query(w["attn"]["query"]["proj"], conv(w["attn"]["query"]["proj"], in, mid)),
      key(w["attn"]["key"], in, key_dim),
      value(w["attn"]["value"], in, key_dim),
      output(w["attn"]["output"]["proj"], conv(w["attn"]["output"]["proj"], mid, out)),
      scale(scale_of(w, out)) {
  if (mid % key_dim != 0 || stride != 1)
    w.problem(w.path() + ": expected attention of stride 1 whose queries are heads of " +
              std::to_string(key_dim) + " values, got " + std::to_string(mid) + " values and stride " +
              std::to_string(stride));
}

mx::array MobileNetV5::Attention::operator()(const mx::array& x) const {
  const auto normed = norm(x);
  const auto q = nn::split_heads(mx::flatten(query(normed), 1, 2), mid / key_dim);
  const auto y = nn::attention(q, key(normed), value(normed), 1 / std::sqrt(float(key_dim)), nn::Mask::none);
  const auto rows = mx::reshape(nn::merge_heads(y), {x.shape(0), x.shape(1), x.shape(2), mid});
  return residual(x, output(rows), scale);
}

// What enters, also within zeros, the kernel at each place unfolded, with the kernel in float32, and the
// result.
std::int64_t MobileNetV5::EdgeResidual::values(std::int64_t entering, std::int64_t leaving) const {
  const std::int64_t unfolded = std::int64_t(kernel) * kernel * in;
  return 2 * entering * in + leaving * (unfolded + mid) + 2 * unfolded * mid;
}

// What enters, before and behind the first convolution, and the map's result twice: normed, too.
std::int64_t MobileNetV5::InvertedBottleneck::values(std::int64_t entering, std::int64_t) const {
  return 2 * entering * (std::int64_t(in) + mid);
}

// What enters, normed, too, queries and answers with a copy by heads, and keys and values.
std::int64_t MobileNetV5::Attention::values(std::int64_t entering, std::int64_t) const {
  return entering * (2 * std::int64_t(in) + 4 * mid + 2 * key_dim);
}

std::optional<MobileNetV5::Block> MobileNetV5::make_block(const nn::Weights& w, int in, int stride) {
  if (w["conv_exp"].has("weight")) return EdgeResidual(w, in, stride);
  if (w["pw_exp"]["conv"].has("weight")) return InvertedBottleneck(w, in, stride);
  if (w["attn"]["query"]["proj"].has("weight")) return Attention(w, in, stride);
  return std::nullopt;
}

MobileNetV5::MobileNetV5(const nn::Weights& w, int out, int side)
    : side_(side),
      stem_width_(width_of(w["conv_stem"]["bn"])),
      stem_(w["conv_stem"]["conv"], w["conv_stem"]["bn"], conv(w["conv_stem"]["conv"], 3, stem_width_, 2),
            true),
      norm_(w["msfa"]["norm"], out, kNormEps) {
  constexpr std::size_t kMostStages = 16, kMostBlocks = 1024;
  int width = stem_width_;
  std::vector<int> widths;
  while (stages_.size() < kMostStages) {
    std::vector<Block> stage;
    const auto at = w["blocks"][int(stages_.size())];
    while (stage.size() < kMostBlocks) {
      auto block = make_block(at[int(stage.size())], width, stage.empty() ? 2 : 1);
      if (!block) break;
      width = std::visit([](const auto& b) { return b.out; }, *block);
      stage.push_back(std::move(*block));
    }
    if (stage.empty()) break;
    stages_.push_back(std::move(stage));
    widths.push_back(width);
  }
  if (stages_.size() < 2) {
    w.problem(w.path() + ".blocks: expected at least two stages of MobileNetV5's blocks, got " +
              std::to_string(stages_.size()));
    return;
  }
  fusion_.emplace(w["msfa"]["ffn"], widths.back() + widths[widths.size() - 2], 1);
  if (fusion_->out != out)
    w.problem(w.path() + ".msfa.ffn: expected " + std::to_string(out) + " values in a row, got " +
              std::to_string(fusion_->out));
}

// The last stage at the size of the one before it, both in one map, and the means of equal parts.
mx::array MobileNetV5::fused(const mx::array& before, const mx::array& last) const {
  const int rows = before.shape(1), columns = before.shape(2);
  const auto x = (*fusion_)(mx::concatenate({before, enlarged(last, rows, columns)}, 3));
  const int n = x.shape(0), width = x.shape(3);
  const auto parts = mx::reshape(x, {n, side_, rows / side_, side_, columns / side_, width});
  return mx::reshape(norm_(mx::mean(parts, std::vector<int>{2, 4})), {n, side_ * side_, width});
}

mx::array MobileNetV5::operator()(const mx::array& pixels) const {
  auto x = stem_(mx::transpose(pixels, {0, 2, 3, 1}));
  std::optional<mx::array> before;
  for (const auto& stage : stages_) {
    if (&stage == &stages_.back()) before = x;
    for (const auto& block : stage) {
      x = std::visit([&](const auto& b) { return b(x); }, block);
      nn::settle(x);
    }
  }
  if (before->shape(1) % side_ != 0 || before->shape(2) % side_ != 0)
    throw RequestError("pixel_values: expected pictures whose parts of " +
                       std::to_string(pixels.shape(2) / before->shape(1)) + " pixels divide into " +
                       std::to_string(side_) + " rows and columns, got " + std::to_string(pixels.shape(2)) +
                       " x " + std::to_string(pixels.shape(3)) + " pixels");
  return fused(*before, x);
}

std::int64_t MobileNetV5::most_values(int size) const {
  std::int64_t side = (size + 1) / 2, most = side * side * stem_width_ * 4;
  for (const auto& stage : stages_) {
    for (const auto& block : stage) {
      const std::int64_t entering = side * side;
      const int stride = std::visit([](const auto& b) { return b.stride; }, block);
      side = (side + stride - 1) / stride;
      most =
          std::max(most, std::visit([&](const auto& b) { return b.values(entering, side * side); }, block));
    }
  }
  return most;
}

}  // namespace mlx_vision::backbones
