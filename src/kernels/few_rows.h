#pragma once
#include <cstddef>

#include "kernels/weight_view.h"

namespace mlx_vision::kernels {

/// From this many rows on many_rows() is faster.
inline constexpr int kManyRows = 8;

/// Floats of workspace that few_rows() takes at the most: x as the packed numbers are multiplied with it, and
/// its sum over each group.
constexpr std::size_t few_rows_workspace(int rows, int in) {
  return std::size_t(rows) * (std::size_t(in) * 2 + 256) + 16;
}

/// Whether few_rows() takes how the weight is stored: dense, packed numbers that fill a word without rest,
/// and others where the processor multiplies bytes.
bool has_few_rows(const WeightView& weight);

/// The product for few rows, bound by reading the weights once: each row of W is unpacked in registers and
/// multiplied at once, on the shared pool. `workspace` holds few_rows_workspace() floats.
void few_rows(const LinearProduct& product, float* workspace);

}  // namespace mlx_vision::kernels
