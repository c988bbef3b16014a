#pragma once
#include <cstddef>

namespace mlx_vision::kernels {

/// gelu: x Φ(x); gelu_tanh: its tanh approximation (Hendrycks & Gimpel 2016); quick_gelu: x σ(1.702 x); silu:
/// x σ(x).
enum class Activation { gelu, gelu_tanh, quick_gelu, silu };

/// y = act(x), times `factor` if that is not null. y may be x. The whole array, on the shared pool, as all
/// functions here.
void activate_values(Activation kind, const float* x, const float* factor, std::size_t count, float* y);

struct NormRows {
  const float* x;
  int rows, width;
  const float* weight;
  const float* bias;  ///< null = RMS norm (Zhang & Sennrich 2019), else layer norm (Ba et al. 2016)
  float eps;
  float* y;  ///< may be x
};
void normalise_rows(const NormRows& norm);

/// Rotary embedding in half-split pairs: y = x cos + rotate_half(x) sin. x `[batch, heads, length, d]` with
/// strides in elements and a contiguous last axis, y the same without gaps, cos and sin rows of `d` for each
/// position, `table_batch` apart from row to row of the batch.
struct RotateHeads {
  const float* x;
  std::ptrdiff_t batch_stride, head_stride, row_stride;
  int batch, heads, length, d;
  const float *cos, *sin;
  std::ptrdiff_t table_batch;
  float* y;
};
void rotate_heads(const RotateHeads& rotate);

}  // namespace mlx_vision::kernels
