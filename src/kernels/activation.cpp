#include "kernels/activation.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "kernels/cpu_array.h"
#include "mlx/primitives.h"

namespace mlx_vision::kernels {
namespace {

/// Inputs x, and the factor if there is one; row-contiguous.
class ActivationPrimitive final : public mx::UnaryPrimitive {
 public:
  ActivationPrimitive(mx::Stream stream, Activation kind) : UnaryPrimitive(stream), kind_(kind) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate_over(inputs[0], out);
    const float* factor = inputs.size() > 1 ? inputs[1].data<float>() : nullptr;
    mx::cpu::get_command_encoder(stream()).dispatch(
        [kind = kind_, x = inputs[0].data<float>(), factor, count = out.size(), y = out.data<float>()] {
          activate_values(kind, x, factor, count, y);
        });
  }
  void eval_gpu(const std::vector<mx::array>&, mx::array&) override { refuse_gpu(name()); }
  const char* name() const override { return "MlxVisionActivation"; }
  bool is_equivalent(const mx::Primitive& other) const override {
    return kind_ == static_cast<const ActivationPrimitive&>(other).kind_;
  }

 private:
  Activation kind_;
};

mx::array by_operations(Activation kind, const mx::array& x) {
  // A C++ float would turn a 16-bit graph into float32.
  const auto constant = [&](float value) { return mx::array(value, x.dtype()); };
  switch (kind) {
    case Activation::silu:
      return x * mx::sigmoid(x);
    case Activation::quick_gelu:
      return x * mx::sigmoid(constant(1.702f) * x);
    case Activation::gelu_tanh: {
      const auto inner =
          constant(std::sqrt(2.0f / std::numbers::pi_v<float>)) * (x + constant(0.044715f) * x * x * x);
      return constant(0.5f) * x * (constant(1.0f) + mx::tanh(inner));
    }
    case Activation::gelu:
      break;
  }
  return x * (constant(1.0f) + mx::erf(x / constant(std::numbers::sqrt2_v<float>))) / constant(2.0f);
}

}  // namespace

mx::array activate(Activation kind, const mx::array& x, const std::optional<mx::array>& factor) {
  const bool is_plain = !factor || (factor->shape() == x.shape() && factor->dtype() == x.dtype());
  if (!is_cpu_float32(x) || !is_plain) {
    const auto y = by_operations(kind, x);
    return factor ? y * *factor : y;
  }
  std::vector<mx::array> inputs{dense_rows(x)};
  if (factor) inputs.push_back(dense_rows(*factor));
  return mx::array(x.shape(), x.dtype(), std::make_shared<ActivationPrimitive>(cpu_stream(), kind),
                   std::move(inputs));
}

}  // namespace mlx_vision::kernels
