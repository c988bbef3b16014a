#pragma once
#include <algorithm>
#include <cstddef>

#include "kernels/many_rows.h"
#include "kernels/weight_view.h"

namespace mlx_vision::kernels {

/// Rows of x in one block: whole vectors on every instruction set, of which one panel of inputs stays in the
/// second-level cache.
inline constexpr int kDenseBlockRows = 512;
constexpr int dense_block_rows(int rows, int in) {
  const int fit = int(kBlockFloats / std::size_t(in)) / 32 * 32;
  return std::min((rows + 31) / 32 * 32, std::clamp(fit, 32, kDenseBlockRows));
}

/// Floats of workspace that dense_many() takes.
constexpr std::size_t dense_many_workspace(int rows, int in) {
  return std::size_t(dense_block_rows(rows, in)) * std::size_t(in);
}

/// As many_rows() for dense weights. These meet the register tile one by one, so that they are widened as
/// they lie; rows of x lie across the vectors, laid out once. `workspace` holds dense_many_workspace()
/// floats.
void dense_many(const LinearProduct& product, float* workspace);

}  // namespace mlx_vision::kernels
