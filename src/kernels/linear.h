#pragma once
#include <optional>
#include <string>

#include "mlx/mlx.h"

namespace mlx_vision::kernels {
namespace mx = mlx::core;

/// A matrix W `[out, in]` as checkpoints hold it: dense, or packed by MLX into uint32 `[out, in * bits / 32]`
/// with scales `[out, in / group_size]` and, in affine mode, biases of the same shape.
struct LinearWeight {
  mx::array data;
  std::optional<mx::array> scales = {}, biases = {};
  int group_size = 0, bits = 0;
  std::string mode = "affine";

  int out() const { return data.shape(0); }
  int in() const { return scales ? scales->shape(1) * group_size : data.shape(1); }
};

/// Whether linear() takes 16-bit weights and scales with float32 x and widens them as it uses them, so that
/// they need not be converted: true on the CPU.
bool widens_weights();

/// y = x Wᵀ + bias for x `[…, in]`, bias `[out]`. On the CPU with float32 x by kernels of our own: float32
/// throughout, equal to MLX's product within rounding. Otherwise by MLX's operations, in the type that they
/// promote to.
/// @throws std::invalid_argument when `in` of x and of the weight differ
mx::array linear(const mx::array& x, const LinearWeight& weight, const std::optional<mx::array>& bias = {});

/// Bytes that linear() on the CPU allocates beside its result for `rows` rows of x; each thread of the pool
/// holds kPanelFloats (many_rows.h) floats for good besides.
std::size_t linear_workspace(int rows, const LinearWeight& weight);

}  // namespace mlx_vision::kernels
