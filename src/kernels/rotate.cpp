#include "kernels/rotate.h"

#include "kernels/cpu_array.h"
#include "kernels/rowwise.h"
#include "mlx/primitives.h"

namespace mlx_vision::kernels {
namespace {

/// Inputs x, cos, sin; the tables row-contiguous.
class RotatePrimitive final : public mx::UnaryPrimitive {
 public:
  explicit RotatePrimitive(mx::Stream stream) : UnaryPrimitive(stream) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    auto& encoder = mx::cpu::get_command_encoder(stream());
    const mx::array x = with_contiguous_rows(inputs[0], encoder);
    out.set_data(mx::allocator::malloc(out.nbytes()));
    const int length = x.shape(2), d = x.shape(3);
    const bool has_batch = inputs[1].ndim() == 4 && inputs[1].shape(0) > 1;
    const RotateHeads rotate{.x = x.data<float>(),
                             .batch_stride = std::ptrdiff_t(x.strides(0)),
                             .head_stride = std::ptrdiff_t(x.strides(1)),
                             .row_stride = std::ptrdiff_t(x.strides(2)),
                             .batch = x.shape(0),
                             .heads = x.shape(1),
                             .length = length,
                             .d = d,
                             .cos = inputs[1].data<float>(),
                             .sin = inputs[2].data<float>(),
                             .table_batch = has_batch ? std::ptrdiff_t(length) * d : 0,
                             .y = out.data<float>()};
    encoder.dispatch([rotate] { rotate_heads(rotate); });
  }
  void eval_gpu(const std::vector<mx::array>&, mx::array&) override { refuse_gpu(name()); }
  const char* name() const override { return "MlxVisionRotate"; }
  bool is_equivalent(const mx::Primitive&) const override { return true; }
};

bool fits(const mx::array& x, const mx::array& table) {
  if (table.dtype() != mx::float32) return false;
  const mx::Shape rows{x.shape(2), x.shape(3)};
  if (table.shape() == rows) return true;
  return table.shape() == mx::Shape{1, 1, rows[0], rows[1]} ||
         table.shape() == mx::Shape{x.shape(0), 1, rows[0], rows[1]};
}

}  // namespace

mx::array rotate_half_pairs(const mx::array& x, const mx::array& cos, const mx::array& sin) {
  if (is_cpu_float32(x) && x.ndim() == 4 && x.shape(3) % 2 == 0 && fits(x, cos) &&
      sin.shape() == cos.shape() && sin.dtype() == cos.dtype())
    return mx::array(x.shape(), x.dtype(), std::make_shared<RotatePrimitive>(cpu_stream()),
                     {x, dense_rows(cos), dense_rows(sin)});
  const auto halves = mx::split(x, 2, -1);
  const auto rotated = mx::concatenate({mx::negative(halves[1]), halves[0]}, -1);
  return x * cos + rotated * sin;
}

}  // namespace mlx_vision::kernels
