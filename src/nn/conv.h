#pragma once
#include <optional>

#include "nn/layers.h"

namespace mlx_vision::nn {

/// Rows or columns of zeros around a picture.
enum class ConvPadding {
  centred,  ///< kernel / 2 on either side
  same,     ///< what makes ceil(size / stride) results, the odd one behind (TensorFlow's SAME)
};

struct ConvSpec {
  int in = 0, out = 0, kernel = 1, stride = 1, groups = 1;
  bool bias = true;
  ConvPadding padding = ConvPadding::centred;
};

/// A convolution over pictures `[n, H, W, in]` → `[n, H / stride, W / stride, out]`, rounded up. Names:
/// weight, bias.
class Conv2d {
 public:
  Conv2d(const Weights& w, const ConvSpec& spec);
  /// The same with a normalisation by stored statistics folded in.
  Conv2d(const Weights& w, const ConvSpec& spec, const mx::array& scale, const mx::array& shift);
  mx::array operator()(const mx::array& x) const;

 private:
  ConvSpec spec_;
  mx::array weight_;  ///< `[out, kernel, kernel, in / groups]`
  std::optional<mx::array> bias_;
};

/// Batch normalisation by stored statistics as a scale and a shift per channel (Ioffe, Szegedy 2015). Names:
/// weight, bias, running_mean, running_var.
struct BatchNorm {
  BatchNorm(const Weights& w, int width, float eps);
  mx::array scale, shift;  ///< `[width]`
};

/// A factor per channel, stored as `[1, 1, width]` or as torch has it, `[width, 1, 1]` → `[width]`.
mx::array channel_scale(const Weights& w, std::string_view name, int width, bool torch_layout);

}  // namespace mlx_vision::nn
