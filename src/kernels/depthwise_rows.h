#pragma once
#include <cstddef>

namespace mlx_vision::kernels {

/// A convolution of each channel on its own: x `[n, height, width, channels]`, taps `[kernel · kernel,
/// channels]`, y `[n, out_height, out_width, channels]`, all without gaps. Result (i, j) takes the kernel's
/// first tap from row i · stride - top, column j · stride - left; what lies outside is zero.
struct DepthwiseRows {
  const float *x, *taps;
  const float* bias;  ///< null = none
  float* y;
  int n, height, width, channels, kernel, stride, top, left, out_height, out_width;
};
/// On the shared pool, a row of y a task.
void depthwise_rows(const DepthwiseRows& conv);

}  // namespace mlx_vision::kernels
