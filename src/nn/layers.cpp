#include "nn/layers.h"

#include <numbers>

namespace mlx_vision::nn {

mx::array joined(std::vector<mx::array> parts, int axis) {
  if (parts.size() == 1) return parts[0];
  return mx::concatenate(std::move(parts), axis);
}

void settle(const mx::array& x) { settle(std::vector{x}); }

void settle(const std::vector<mx::array>& xs) {
  constexpr std::size_t kManyRows = 8;
  if (xs[0].size() / std::size_t(xs[0].shape(-1)) >= kManyRows) mx::eval(xs);
}

namespace {

// Where kernels widen 16-bit weights as they use them, the weights stay as the file has them.
mx::array require_matrix(const Weights& w, std::string_view name, const mx::Shape& shape) {
  return kernels::widens_weights() ? w.require_stored(name, shape) : w.require(name, shape);
}

kernels::LinearWeight load_weight(const Weights& w, int in, int out) {
  if (!w.has("scales")) return {.data = require_matrix(w, "weight", {out, in})};
  const Quantization q = w.quantization(in);
  const int groups = in / q.group_size;
  kernels::LinearWeight weight{.data = w.require("weight", {out, int(std::int64_t(in) * q.bits / 32)}),
                               .scales = require_matrix(w, "scales", {out, groups}),
                               .group_size = q.group_size,
                               .bits = q.bits,
                               .mode = q.mode};
  if (q.mode == "affine") weight.biases = require_matrix(w, "biases", {out, groups});
  return weight;
}

// Modes without a float type of their own give bfloat16, as in the reference, which holds their values
// exactly.
mx::Dtype row_dtype(const Weights& w, const kernels::LinearWeight& weight) {
  if (!weight.scales) return w.computed(weight.data.dtype());
  if (weight.biases) return w.computed(weight.scales->dtype());
  return w.activation_dtype() == mx::float32 ? mx::bfloat16 : w.activation_dtype();
}

}  // namespace

Linear::Linear(const Weights& w, int in, int out, bool bias) : weight_(load_weight(w, in, out)) {
  if (bias) bias_ = w.require("bias", {out});
}

Embedding::Embedding(const Weights& w, int count, int width)
    : weight_(load_weight(w, width, count)), dtype_(row_dtype(w, weight_)) {}

mx::array Embedding::operator()(const mx::array& ids) const {
  const auto rows = [&](const mx::array& table) { return mx::take(table, ids, 0); };
  if (!weight_.scales) return mx::astype(rows(weight_.data), dtype_);
  if (!weight_.biases)
    return mx::dequantize(rows(weight_.data), rows(*weight_.scales), std::nullopt, weight_.group_size,
                          weight_.bits, weight_.mode, std::nullopt, dtype_);
  // Widened first: MLX unpacks in the type of the scales.
  return mx::dequantize(rows(weight_.data), mx::astype(rows(*weight_.scales), dtype_),
                        mx::astype(rows(*weight_.biases), dtype_), weight_.group_size, weight_.bits,
                        weight_.mode, std::nullopt, dtype_);
}

mx::array Embedding::table() const {
  return weight_.scales ? (*this)(mx::arange(weight_.out())) : mx::astype(weight_.data, dtype_);
}

RmsNorm::RmsNorm(const Weights& w, int width, float eps, float offset)
    : weight_(w.require("weight", {width})), eps_(eps) {
  if (offset != 0) weight_ = weight_ + scalar(offset, weight_);
}

namespace {

mx::Shape conv_shape(int out, const mx::Shape& kernel, int channels) {
  mx::Shape shape{out};
  shape.insert(shape.end(), kernel.begin(), kernel.end());
  shape.push_back(channels);
  return shape;
}

// O, spatial…, I → O, I, spatial…, flattened per output.
mx::array flatten_kernel(const mx::array& kernel) {
  const int last = int(kernel.ndim()) - 1;
  std::vector<int> order{0, last};
  for (int axis = 1; axis < last; ++axis) order.push_back(axis);
  return mx::contiguous(mx::flatten(mx::transpose(kernel, order), 1, -1));
}

}  // namespace

PatchEmbed::PatchEmbed(const Weights& w, int channels, int out, const mx::Shape& kernel, bool bias)
    : weight_(flatten_kernel(w.require_conv("weight", conv_shape(out, kernel, channels)))) {
  if (bias) bias_ = w.require("bias", {out});
}

mx::array PatchEmbed::operator()(const mx::array& patches) const {
  return kernels::linear(mx::astype(patches, weight_.dtype()), {.data = weight_}, bias_);
}

mx::array to_patches(const mx::array& pixels, int patch) {
  const int n = pixels.shape(0), channels = pixels.shape(1);
  const int rows = pixels.shape(2) / patch, columns = pixels.shape(3) / patch;
  auto x = mx::slice(pixels, {0, 0, 0, 0}, {n, channels, rows * patch, columns * patch});
  x = mx::reshape(x, {n, channels, rows, patch, columns, patch});
  x = mx::transpose(x, {0, 2, 4, 1, 3, 5});
  return mx::reshape(x, {n, rows * columns, channels * patch * patch});
}

std::optional<Activation> find_activation(std::string_view name) {
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new") return Activation::gelu_tanh;
  if (name == "quick_gelu") return Activation::quick_gelu;
  if (name == "silu" || name == "swish") return Activation::silu;
  return std::nullopt;
}

Activation activation_or(const core::ConfigReader& config, std::string_view key, std::string_view fallback) {
  const auto name = config.get_or(key, std::string(fallback));
  const auto kind = find_activation(name);
  if (!kind) config.fail(key, "expected gelu, gelu_pytorch_tanh, gelu_new, quick_gelu or silu, got " + name);
  return *kind;
}

// What exceeds the cut that a normal distribution of the row's mean and deviation has there.
mx::array GatedMlp::gates(const mx::array& x) const {
  auto y = gate_(x);
  if (sparsity_ <= 0) return y;
  const auto wide = mx::astype(y, mx::float32);
  const auto cut = mx::erfinv(mx::array(2 * sparsity_ - 1)) * std::numbers::sqrt2_v<float>;
  const auto bound = mx::mean(wide, -1, true) + cut * mx::std(wide, -1, true);
  return mx::maximum(y - mx::astype(bound, y.dtype()), scalar(0, y));
}

mx::array merge_patches(const mx::array& x, int rows, int columns, int merge) {
  const int n = x.shape(0), width = x.shape(2), m = merge;
  const auto blocks = mx::reshape(x, {n, rows / m, m, columns / m, m, width});
  return mx::reshape(mx::transpose(blocks, {0, 1, 3, 2, 4, 5}), {n, rows * columns / (m * m), width * m * m});
}

}  // namespace mlx_vision::nn
