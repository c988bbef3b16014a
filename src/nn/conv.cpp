#include "nn/conv.h"

#include <algorithm>

#include "kernels/depthwise.h"

namespace mlx_vision::nn {
namespace {

mx::array read_weight(const Weights& w, const ConvSpec& s) {
  return w.require_conv("weight", {s.out, s.kernel, s.kernel, s.in / s.groups});
}

// Zeros before and behind an axis of that size.
std::pair<int, int> padding_of(const ConvSpec& s, int size) {
  if (s.padding == ConvPadding::centred) return {s.kernel / 2, s.kernel / 2};
  const int results = (size + s.stride - 1) / s.stride;
  const int all = std::max(0, (results - 1) * s.stride + s.kernel - size);
  return {all / 2, all - all / 2};
}

}  // namespace

Conv2d::Conv2d(const Weights& w, const ConvSpec& s) : spec_(s), weight_(read_weight(w, s)) {
  if (s.bias) bias_ = w.require("bias", {s.out});
}

Conv2d::Conv2d(const Weights& w, const ConvSpec& s, const mx::array& scale, const mx::array& shift)
    : spec_(s),
      weight_(read_weight(w, s) * mx::reshape(scale, {s.out, 1, 1, 1})),
      bias_(s.bias ? shift + w.require("bias", {s.out}) * scale : shift) {}

mx::array Conv2d::operator()(const mx::array& x) const {
  if (spec_.kernel == 1 && spec_.stride == 1 && spec_.groups == 1)
    return kernels::linear(x, {.data = mx::reshape(weight_, {spec_.out, spec_.in})}, bias_);
  const auto rows = padding_of(spec_, x.shape(1)), columns = padding_of(spec_, x.shape(2));
  if (spec_.groups == spec_.in)
    return kernels::depthwise_conv(x, weight_, bias_,
                                   {.stride = spec_.stride, .rows = rows, .columns = columns});
  const auto y = mx::conv_general(x, mx::astype(weight_, x.dtype()), {spec_.stride, spec_.stride},
                                  {rows.first, columns.first}, {rows.second, columns.second}, {1, 1}, {1, 1},
                                  spec_.groups);
  return bias_ ? y + mx::astype(*bias_, y.dtype()) : y;
}

BatchNorm::BatchNorm(const Weights& w, int width, float eps)
    : scale(w.require("weight", {width}) * mx::rsqrt(w.require("running_var", {width}) + eps)),
      shift(w.require("bias", {width}) - w.require("running_mean", {width}) * scale) {}

mx::array channel_scale(const Weights& w, std::string_view name, int width, bool torch_layout) {
  return mx::flatten(w.require(name, torch_layout ? mx::Shape{width, 1, 1} : mx::Shape{1, 1, width}));
}

}  // namespace mlx_vision::nn
