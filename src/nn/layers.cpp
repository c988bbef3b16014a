#include "nn/layers.h"

#include <cmath>
#include <numbers>

namespace mlx_vision::nn {
namespace {

constexpr std::int64_t kManyRows = 8;

std::int64_t rows_of(const mx::array& x) { return std::int64_t(x.size()) / x.shape(-1); }

}  // namespace

mx::array joined(std::vector<mx::array> parts, int axis) {
  if (parts.size() == 1) return parts[0];
  return mx::concatenate(std::move(parts), axis);
}

void settle(const mx::array& x) {
  if (rows_of(x) < kManyRows) return;
  mx::array evaluated = x;
  evaluated.eval();
}

Linear::Linear(const Weights& w, int in, int out, bool bias) : p_(load(w, in, out, bias)) {}

Linear::Params Linear::load(const Weights& w, int in, int out, bool bias) {
  auto b = bias ? std::optional(w.require("bias", {out})) : std::nullopt;
  if (!w.has("scales")) return {.weight = w.require("weight", {out, in}), .bias = std::move(b)};
  const Quantization q = w.quantization(in);
  const int groups = in / q.group_size;
  auto weight = w.require("weight", {out, int(std::int64_t(in) * q.bits / 32)});
  auto scales = w.require("scales", {out, groups});
  auto biases = q.mode == "affine" ? std::optional(w.require("biases", {out, groups})) : std::nullopt;
  return {.weight = weight, .scales = scales, .biases = biases, .bias = std::move(b), .quant = q};
}

namespace {

// Whether to unpack the weights and run a dense product. MLX's packed product on the CPU is a scalar loop. On
// CUDA it is right and fast for one row; for more, 0.32.4 gives NaN in float32 for sizes off its tiles,
// reaches a quarter of the dense rate in 16 bits, and compiles for a minute at first use.
bool prefers_dense(std::int64_t rows) {
  if (mx::metal::is_available()) return false;
  return mx::default_device() == mx::Device::cpu ? rows >= kManyRows : rows > 1;
}

}  // namespace

mx::array Linear::product(const mx::array& x) const {
  if (!p_.scales) return mx::matmul(x, mx::transpose(p_.weight));
  const auto& [group_size, bits, mode] = p_.quant;
  if (prefers_dense(rows_of(x)))
    return mx::matmul(x, mx::transpose(mx::dequantize(p_.weight, *p_.scales, p_.biases, group_size, bits,
                                                      mode, std::nullopt, x.dtype())));
  return mx::quantized_matmul(x, p_.weight, *p_.scales, p_.biases, /*transpose=*/true, group_size, bits,
                              mode);
}

mx::array Linear::operator()(const mx::array& x) const {
  const auto y = product(x);
  return p_.bias ? mx::add(y, *p_.bias) : y;
}

Embedding::Embedding(const Weights& w, int count, int width)
    : p_(Linear::load(w, width, count, false)), dtype_(w.activation_dtype()) {}

mx::Dtype Embedding::dtype() const {
  if (!p_.scales) return p_.weight.dtype();
  if (p_.biases) return p_.scales->dtype();
  // Modes without a float type of their own give bfloat16, as in the reference, which holds their values
  // exactly.
  return dtype_ == mx::float32 ? mx::bfloat16 : dtype_;
}

mx::array Embedding::operator()(const mx::array& ids) const {
  const auto rows = [&](const mx::array& table) { return mx::take(table, ids, 0); };
  if (!p_.scales) return rows(p_.weight);
  const auto biases = p_.biases ? std::optional(rows(*p_.biases)) : std::nullopt;
  return mx::dequantize(rows(p_.weight), rows(*p_.scales), biases, p_.quant.group_size, p_.quant.bits,
                        p_.quant.mode, std::nullopt, dtype());
}

mx::array Embedding::table() const { return p_.scales ? (*this)(mx::arange(p_.weight.shape(0))) : p_.weight; }

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
  const auto y = mx::matmul(mx::astype(patches, weight_.dtype()), mx::transpose(weight_));
  return bias_ ? mx::add(y, *bias_) : y;
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

mx::array activate(Activation kind, const mx::array& x) {
  switch (kind) {
    case Activation::silu:
      return x * mx::sigmoid(x);
    case Activation::quick_gelu:
      return x * mx::sigmoid(scalar(1.702f, x) * x);
    case Activation::gelu_tanh: {
      const auto inner =
          scalar(std::sqrt(2.0f / std::numbers::pi_v<float>), x) * (x + scalar(0.044715f, x) * x * x * x);
      return scalar(0.5f, x) * x * (scalar(1.0f, x) + mx::tanh(inner));
    }
    case Activation::gelu:
      break;
  }
  return x * (scalar(1.0f, x) + mx::erf(x / scalar(std::numbers::sqrt2_v<float>, x))) / scalar(2.0f, x);
}

}  // namespace mlx_vision::nn
