#include "kernels/norm.h"

#include <utility>

#include "kernels/cpu_array.h"
#include "kernels/rowwise.h"
#include "mlx/primitives.h"

namespace mlx_vision::kernels {
namespace {

/// Inputs x, weight, and the bias of a layer norm; row-contiguous.
class NormPrimitive final : public mx::UnaryPrimitive {
 public:
  NormPrimitive(mx::Stream stream, float eps) : UnaryPrimitive(stream), eps_(eps) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate_over(inputs[0], out);
    const int width = out.shape(-1);
    const NormRows norm{.x = inputs[0].data<float>(),
                        .rows = int(out.size() / std::size_t(width)),
                        .width = width,
                        .weight = inputs[1].data<float>(),
                        .bias = inputs.size() > 2 ? inputs[2].data<float>() : nullptr,
                        .eps = eps_,
                        .y = out.data<float>()};
    mx::cpu::get_command_encoder(stream()).dispatch([norm] { normalise_rows(norm); });
  }
  void eval_gpu(const std::vector<mx::array>&, mx::array&) override { refuse_gpu(name()); }
  const char* name() const override { return "MlxVisionNorm"; }
  bool is_equivalent(const mx::Primitive& other) const override {
    return eps_ == static_cast<const NormPrimitive&>(other).eps_;
  }

 private:
  float eps_;
};

bool has_kernel(const mx::array& x, const mx::array& weight) {
  return is_cpu_float32(x) && x.ndim() > 0 && weight.dtype() == mx::float32 &&
         weight.size() == std::size_t(x.shape(-1));
}

mx::array own_norm(const mx::array& x, const std::vector<mx::array>& parameters, float eps) {
  std::vector<mx::array> inputs{dense_rows(x)};
  for (const mx::array& p : parameters) inputs.push_back(dense_rows(p));
  return mx::array(x.shape(), x.dtype(), std::make_shared<NormPrimitive>(cpu_stream(), eps),
                   std::move(inputs));
}

}  // namespace

mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps) {
  return has_kernel(x, weight) ? own_norm(x, {weight}, eps) : mx::fast::rms_norm(x, weight, eps);
}

mx::array layer_norm(const mx::array& x, const mx::array& weight, const mx::array& bias, float eps) {
  return has_kernel(x, weight) && has_kernel(x, bias) ? own_norm(x, {weight, bias}, eps)
                                                      : mx::fast::layer_norm(x, weight, bias, eps);
}

}  // namespace mlx_vision::kernels
