#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "kernels/activation.h"
#include "kernels/linear.h"
#include "kernels/norm.h"
#include "weights/weights.h"

namespace mlx_vision::nn {
namespace mx = mlx::core;
using weights::Quantization;
using weights::Weights;

/// A constant in x's type. `x * 0.5f` would turn a bfloat16 graph into float32: MLX's C++ scalars, unlike
/// Python's, take part in type promotion.
inline mx::array scalar(float value, const mx::array& x) { return mx::array(value, x.dtype()); }

/// Evaluates x where it has many rows. MLX allocates far ahead of the work: without this, activations and
/// unpacked weights of several blocks would exist at once; with it, memory follows one half of a block, for
/// some 50 µs of a GPU's time. Few rows stay lazy, so that decoding is one graph.
void settle(const mx::array& x);
/// Several at once, where the first has many rows.
void settle(const std::vector<mx::array>& xs);

/// The parts one after another along the axis; a single part as it is, without a copy.
mx::array joined(std::vector<mx::array> parts, int axis);

/// y = x Wᵀ + b for x `[…, in]`. Dense or quantised is decided per layer by what the file holds; callers
/// neither know nor care.
class Linear {
 public:
  Linear(const Weights& w, int in, int out, bool bias);
  mx::array operator()(const mx::array& x) const { return kernels::linear(x, weight_, bias_); }

 private:
  friend class Embedding;
  explicit Linear(kernels::LinearWeight weight) : weight_(std::move(weight)) {}
  kernels::LinearWeight weight_;
  std::optional<mx::array> bias_;
};

/// A table of rows, dense or quantised; also serves as the output head of models that tie the two.
class Embedding {
 public:
  Embedding(const Weights& w, int count, int width);
  /// ids `[…]` → rows `[…, width]`. Only the rows asked for are unpacked.
  mx::array operator()(const mx::array& ids) const;
  /// Type of the rows that come out.
  mx::Dtype dtype() const { return dtype_; }
  /// Every row, `[count, width]`, unpacked: for small tables that are added whole.
  mx::array table() const;
  /// The same table as a linear map, `[width] → [count]`.
  Linear as_linear() const { return Linear(weight_); }

 private:
  kernels::LinearWeight weight_;
  mx::Dtype dtype_;
};

class RmsNorm {
 public:
  /// `offset` is added to the weight: 1 in Gemma's files.
  RmsNorm(const Weights& w, int width, float eps, float offset = 0);
  mx::array operator()(const mx::array& x) const { return kernels::rms_norm(x, weight_, eps_); }

 private:
  mx::array weight_;
  float eps_;
};

/// RMSNorm without a weight.
inline mx::array rms_normed(const mx::array& x, float eps) {
  return kernels::rms_norm(x, mx::ones({x.shape(-1)}, x.dtype()), eps);
}

class LayerNorm {
 public:
  LayerNorm(const Weights& w, int width, float eps)
      : weight_(w.require("weight", {width})), bias_(w.require("bias", {width})), eps_(eps) {}
  mx::array operator()(const mx::array& x) const { return kernels::layer_norm(x, weight_, bias_, eps_); }

 private:
  mx::array weight_, bias_;
  float eps_;
};

/// A convolution whose stride is its kernel, as one product over flattened patches. The kernel is read in the
/// file's layout and kept as `[out, channels * (time *) height * width]`, the order in which processors lay
/// out patches.
class PatchEmbed {
 public:
  /// `kernel`: spatial extents, slowest first, e.g. {14, 14} or {2, 14, 14}.
  PatchEmbed(const Weights& w, int channels, int out, const mx::Shape& kernel, bool bias);
  /// `[…, channels * kernel]` → `[…, out]`, in the kernel's type.
  mx::array operator()(const mx::array& patches) const;

 private:
  mx::array weight_;
  std::optional<mx::array> bias_;
};

/// Pixels `[n, C, H, W]` → patches `[n, (H/p)(W/p), C p p]`, row by row; H and W are cut to multiples of p.
mx::array to_patches(const mx::array& pixels, int patch);

/// Each merge × merge block of patches as one row, `[n, rows · columns, C]` → `[n, rows · columns / m², m² ·
/// C]`: row by row, and in a row the block's patches row by row. Both counts are multiples of `merge`.
mx::array merge_patches(const mx::array& x, int rows, int columns, int merge);

using kernels::activate;
using kernels::Activation;

/// By transformers' name ("gelu", "gelu_pytorch_tanh", "quick_gelu", "silu"…). nullopt = unknown.
std::optional<Activation> find_activation(std::string_view name);

/// As find_activation on a field of a configuration. @throws ConfigError
Activation activation_or(const core::ConfigReader& config, std::string_view key, std::string_view fallback);

/// The usual two-layer block: fc2(act(fc1(x))), under those names.
class Mlp {
 public:
  struct Spec {
    int width, hidden;
    Activation activation;
  };
  Mlp(const Weights& fc1, const Weights& fc2, const Spec& s)
      : fc1_(fc1, s.width, s.hidden, true), fc2_(fc2, s.hidden, s.width, true), activation_(s.activation) {}
  mx::array operator()(const mx::array& x) const { return fc2_(activate(activation_, fc1_(x))); }

 private:
  Linear fc1_, fc2_;
  Activation activation_;
};

/// down(act(gate(x)) * up(x)) (Shazeer 2020), under the names gate_proj, up_proj, down_proj.
class GatedMlp {
 public:
  struct Spec {
    int width, hidden;
    bool bias = false;
    Activation activation = Activation::silu;
    float sparsity = 0;  ///< about this part of the gates, the smallest, is 0 (Gemma 3n); below 1
  };
  GatedMlp(const Weights& w, const Spec& s)
      : gate_(w["gate_proj"], s.width, s.hidden, s.bias),
        up_(w["up_proj"], s.width, s.hidden, s.bias),
        down_(w["down_proj"], s.hidden, s.width, s.bias),
        activation_(s.activation),
        sparsity_(s.sparsity) {}
  mx::array operator()(const mx::array& x) const { return down_(activate(activation_, gates(x), up_(x))); }
  /// What enters the activation function: `[…, width]` → `[…, hidden]`.
  mx::array gates(const mx::array& x) const;

 private:
  Linear gate_, up_, down_;
  Activation activation_;
  float sparsity_;
};

}  // namespace mlx_vision::nn
