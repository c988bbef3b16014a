#pragma once
#include "kernels/weight_view.h"

namespace mlx_vision::kernels {

/// From this many rows on, taking the numbers of the weights apart is repaid.
inline constexpr int kLeastByteRows = 5;

/// Whether this processor multiplies vectors of bytes (AVX-512 VNNI) and that is the faster way for packed
/// weights: of any kind, from some rows on.
bool takes_vector_packed(int rows, const WeightView& weight);

/// As tile_packed(), by vectors. `workspace` holds tile_rows_workspace() floats.
void vector_packed(const LinearProduct& product, float* workspace);

}  // namespace mlx_vision::kernels
