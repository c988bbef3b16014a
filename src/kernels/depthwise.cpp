#include "kernels/depthwise.h"

#include <vector>

#include "kernels/cpu_array.h"
#include "kernels/depthwise_rows.h"
#include "mlx/primitives.h"

namespace mlx_vision::kernels {
namespace {

/// Inputs x `[n, H, W, C]`, taps `[k · k, C]` and maybe a bias `[C]`; row-contiguous.
class DepthwisePrimitive final : public mx::UnaryPrimitive {
 public:
  DepthwisePrimitive(mx::Stream stream, const DepthwiseGeometry& geometry, int kernel)
      : UnaryPrimitive(stream), geometry_(geometry), kernel_(kernel) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    out.set_data(mx::allocator::malloc(out.nbytes()));
    const mx::array& x = inputs[0];
    const DepthwiseRows conv{.x = x.data<float>(),
                             .taps = inputs[1].data<float>(),
                             .bias = inputs.size() > 2 ? inputs[2].data<float>() : nullptr,
                             .y = out.data<float>(),
                             .n = x.shape(0),
                             .height = x.shape(1),
                             .width = x.shape(2),
                             .channels = x.shape(3),
                             .kernel = kernel_,
                             .stride = geometry_.stride,
                             .top = geometry_.rows.first,
                             .left = geometry_.columns.first,
                             .out_height = out.shape(1),
                             .out_width = out.shape(2)};
    mx::cpu::get_command_encoder(stream()).dispatch([conv] { depthwise_rows(conv); });
  }
  void eval_gpu(const std::vector<mx::array>&, mx::array&) override { refuse_gpu(name()); }
  const char* name() const override { return "MlxVisionDepthwise"; }
  bool is_equivalent(const mx::Primitive& other) const override {
    const auto& o = static_cast<const DepthwisePrimitive&>(other);
    return kernel_ == o.kernel_ && geometry_.stride == o.geometry_.stride &&
           geometry_.rows == o.geometry_.rows && geometry_.columns == o.geometry_.columns;
  }

 private:
  DepthwiseGeometry geometry_;
  int kernel_;
};

// The results of channel c at c · m + part.
mx::array own_conv(const mx::array& x, const mx::array& weight, const std::optional<mx::array>& bias,
                   const DepthwiseGeometry& g, int part) {
  const int channels = x.shape(3), parts = weight.shape(0) / channels, kernel = weight.shape(1);
  const auto of_part = [&](const mx::array& values, int width) {
    const auto all = mx::reshape(values, {channels, parts, width});
    return mx::squeeze(mx::slice(all, {0, part, 0}, {channels, part + 1, width}), 1);
  };
  const auto results = [&](int size, const std::pair<int, int>& zeros) {
    return (size + zeros.first + zeros.second - kernel) / g.stride + 1;
  };
  std::vector<mx::array> inputs{dense_rows(x),
                                mx::contiguous(mx::transpose(of_part(weight, kernel * kernel)))};
  if (bias) inputs.push_back(mx::contiguous(mx::flatten(of_part(*bias, 1))));
  const mx::Shape shape{x.shape(0), results(x.shape(1), g.rows), results(x.shape(2), g.columns), channels};
  return mx::array(shape, x.dtype(), std::make_shared<DepthwisePrimitive>(cpu_stream(), g, kernel),
                   std::move(inputs));
}

}  // namespace

mx::array depthwise_conv(const mx::array& x, const mx::array& weight, const std::optional<mx::array>& bias,
                         const DepthwiseGeometry& g) {
  const int channels = x.shape(3), parts = weight.shape(0) / channels;
  if (!is_cpu_float32(x)) {
    const auto y = mx::conv_general(x, mx::astype(weight, x.dtype()), {g.stride, g.stride},
                                    {g.rows.first, g.columns.first}, {g.rows.second, g.columns.second},
                                    {1, 1}, {1, 1}, channels);
    return bias ? y + mx::astype(*bias, y.dtype()) : y;
  }
  const auto w = mx::astype(weight, mx::float32);
  const auto b = bias ? std::optional(mx::astype(*bias, mx::float32)) : std::nullopt;
  if (parts == 1) return own_conv(x, w, b, g, 0);
  std::vector<mx::array> each;
  for (int part = 0; part < parts; ++part) each.push_back(own_conv(x, w, b, g, part));
  const auto y = mx::stack(each, -1);
  return mx::reshape(y, {y.shape(0), y.shape(1), y.shape(2), channels * parts});
}

}  // namespace mlx_vision::kernels
