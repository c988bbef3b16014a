#pragma once
#include <string>

#include "mlx/mlx.h"

namespace mlx_vision::kernels {
namespace mx = mlx::core;

/// Name of the instruction set that the kernels use on this machine.
std::string instruction_set();

/// Greatest difference of y from x wᵀ in double precision, relative to Σ |x w|. All three evaluated here.
double product_error(const mx::array& x, const mx::array& w, const mx::array& y);

/// Bytes a second that the shared pool reads from memory, best of a few runs over 256 MB.
double read_bandwidth();

}  // namespace mlx_vision::kernels
