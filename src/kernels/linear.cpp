#include "kernels/linear.h"

#include <stdexcept>
#include <utility>

#include "kernels/cpu_array.h"
#include "kernels/dense_many.h"
#include "kernels/few_rows.h"
#include "kernels/many_rows.h"
#include "kernels/tile_packed.h"
#include "kernels/tile_rows.h"
#include "kernels/vector_packed.h"
#include "mlx/primitives.h"

namespace mlx_vision::kernels {
namespace {

std::optional<Element> element_of(mx::Dtype dtype) {
  if (dtype == mx::float32) return Element::float32;
  if (dtype == mx::bfloat16) return Element::bfloat16;
  if (dtype == mx::float16) return Element::float16;
  return std::nullopt;
}

/// Shapes and storage; the pointers are filled in where the arrays have been evaluated.
WeightView view_of(const LinearWeight& w) {
  WeightView view{.out = w.out(), .in = w.in()};
  view.element = element_of(w.scales ? w.scales->dtype() : w.data.dtype()).value_or(Element::float32);
  if (w.scales) {
    view.bits = w.bits;
    view.group = w.group_size;
  }
  return view;
}

/// A way to multiply, and the floats of workspace that it takes.
struct Way {
  void (*multiply)(const LinearProduct&, float*);
  std::size_t workspace;
};

Way way_of(int rows, const WeightView& view) {
  if (takes_tile_packed(rows, view)) return {tile_packed, tile_rows_workspace(rows, view.in)};
  if (takes_vector_packed(rows, view)) return {vector_packed, tile_rows_workspace(rows, view.in)};
  if (takes_tile_rows(rows, view)) return {tile_rows, tile_rows_workspace(rows, view.in)};
  const bool few = rows < kManyRows && has_few_rows(view);
  if (!few && !view.packed()) return {dense_many, dense_many_workspace(rows, view.in)};
  if (!few) return {many_rows, many_rows_workspace(rows, view.in)};
  return {few_rows, view.packed() ? few_rows_workspace(rows, view.in) : 0};
}

/// Inputs: x, the weight, scales and biases of a packed one, the bias if there is one; all row-contiguous.
class LinearPrimitive final : public mx::UnaryPrimitive {
 public:
  LinearPrimitive(mx::Stream stream, const WeightView& view, bool has_bias)
      : UnaryPrimitive(stream), view_(view), has_bias_(has_bias) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    out.set_data(mx::allocator::malloc(out.nbytes()));
    auto& encoder = mx::cpu::get_command_encoder(stream());
    LinearProduct product{.x = inputs[0].data<float>(),
                          .rows = int(inputs[0].size() / std::size_t(view_.in)),
                          .weight = view_,
                          .bias = has_bias_ ? inputs.back().data<float>() : nullptr,
                          .y = out.data<float>()};
    product.weight.data = inputs[1].data<void>();
    if (view_.packed()) {
      product.weight.scales = inputs[2].data<void>();
      product.weight.biases = inputs[3].data<void>();
    }
    const Way way = way_of(product.rows, view_);
    float* workspace = way.workspace > 0 ? temporary(way.workspace, encoder) : nullptr;
    encoder.dispatch([=] { way.multiply(product, workspace); });
  }

  void eval_gpu(const std::vector<mx::array>&, mx::array&) override { refuse_gpu(name()); }

  const char* name() const override { return "MlxVisionLinear"; }

  bool is_equivalent(const mx::Primitive& other) const override {
    const auto& o = static_cast<const LinearPrimitive&>(other);
    return view_.element == o.view_.element && view_.bits == o.view_.bits && view_.group == o.view_.group &&
           has_bias_ == o.has_bias_;
  }

 private:
  WeightView view_;
  bool has_bias_;
};

// Whether to unpack the weights and run a dense product. MLX's packed product on the CPU is a scalar loop. On
// CUDA it is right and fast for one row; for more, 0.32.4 gives NaN in float32 for sizes off its tiles,
// reaches a quarter of the dense rate in 16 bits, and compiles for a minute at first use.
bool prefers_dense(std::int64_t rows) {
  if (mx::metal::is_available()) return false;
  return mx::default_device() == mx::Device::cpu ? rows >= kManyRows : rows > 1;
}

mx::array plus(const mx::array& y, const std::optional<mx::array>& bias) {
  return bias ? mx::add(y, *bias) : y;
}

bool has_kernel(const mx::array& x, const LinearWeight& w) {
  if (!is_cpu_float32(x)) return false;
  if (w.scales) return w.mode == "affine" && element_of(w.scales->dtype()).has_value();
  return element_of(w.data.dtype()).has_value();
}

mx::array own_linear(const mx::array& x, const LinearWeight& w, const std::optional<mx::array>& bias) {
  if (!w.scales && w.data.dtype() != mx::float32 && w.in() % 2 != 0)
    return own_linear(x, {.data = mx::astype(w.data, mx::float32)}, bias);
  std::vector<mx::array> inputs{dense_rows(x), dense_rows(w.data)};
  if (w.scales) {
    inputs.push_back(dense_rows(*w.scales));
    inputs.push_back(dense_rows(mx::astype(*w.biases, w.scales->dtype())));
  }
  if (bias) inputs.push_back(dense_rows(mx::astype(*bias, mx::float32)));
  auto shape = x.shape();
  shape.back() = w.out();
  return mx::array(std::move(shape), mx::float32,
                   std::make_shared<LinearPrimitive>(cpu_stream(), view_of(w), bias.has_value()),
                   std::move(inputs));
}

}  // namespace

bool widens_weights() { return mx::default_device() == mx::Device::cpu; }

mx::array linear(const mx::array& x, const LinearWeight& w, const std::optional<mx::array>& bias) {
  if (x.ndim() == 0 || x.shape(-1) != w.in())
    throw std::invalid_argument("linear: expected rows of " + std::to_string(w.in()) + ", got " +
                                std::to_string(x.ndim() == 0 ? 0 : x.shape(-1)));
  if (has_kernel(x, w)) return own_linear(x, w, bias);
  if (!w.scales) return plus(mx::matmul(x, mx::transpose(w.data)), bias);
  if (prefers_dense(std::int64_t(x.size()) / x.shape(-1))) {
    const auto dense =
        mx::dequantize(w.data, *w.scales, w.biases, w.group_size, w.bits, w.mode, std::nullopt, x.dtype());
    return linear(x, {.data = dense}, bias);
  }
  return plus(
      mx::quantized_matmul(x, w.data, *w.scales, w.biases, /*transpose=*/true, w.group_size, w.bits, w.mode),
      bias);
}

std::size_t linear_workspace(int rows, const LinearWeight& weight) {
  return way_of(rows, view_of(weight)).workspace * sizeof(float);
}

}  // namespace mlx_vision::kernels
