#pragma once
#include "kernels/weight_view.h"

namespace mlx_vision::kernels {

/// Whether this processor's matrix unit (Intel AMX, products of bytes) is there and is the faster way for
/// packed weights: of any kind, from some rows on.
bool takes_tile_packed(int rows, const WeightView& weight);

/// As many_rows() on the matrix unit. Packed numbers are bytes as they are; every run of 32 or 64 values of x
/// is rounded to 24 bits of its greatest and taken apart into bytes, so that the products of a run are exact
/// integers (as in digits-inl.h). `workspace` holds tile_rows_workspace() floats.
void tile_packed(const LinearProduct& product, float* workspace);

}  // namespace mlx_vision::kernels
