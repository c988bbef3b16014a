#pragma once
#include <cstddef>

#include "kernels/weight_view.h"

namespace mlx_vision::kernels {

/// Floats of x that are laid out for the tiles at a time: what many_rows() needs besides its operands is one
/// such block and, per thread, kPanelFloats.
inline constexpr std::size_t kBlockFloats = std::size_t(4) << 20;
inline constexpr int kPanelDepth = 256;    ///< inputs that a panel of unpacked weights covers
inline constexpr int kPanelColumns = 256;  ///< outputs that it covers
inline constexpr std::size_t kPanelFloats = std::size_t(kPanelDepth) * kPanelColumns;

/// Rows of x in one block: a multiple of 12, a whole number of tiles on every instruction set.
constexpr int block_rows(int rows, int in) {
  const std::size_t fit = kBlockFloats / std::size_t(in) / 12 * 12, all = (std::size_t(rows) + 11) / 12 * 12;
  return int(fit < 12 ? 12 : fit < all ? fit : all);
}

/// Floats of workspace that many_rows() takes.
constexpr std::size_t many_rows_workspace(int rows, int in) {
  return std::size_t(block_rows(rows, in)) * std::size_t(in);
}

/// Outputs that one task of the shared pool takes: whole `unit`s, few enough that no thread waits long for
/// another, and from `least` to `most`, since unpacking must be repaid.
int outputs_of_task(int out, int unit, int least, int most);

/// The product for many rows and packed weights: these are unpacked panel by panel into the cache and
/// multiplied from there, on the shared pool. `workspace` holds many_rows_workspace() floats.
void many_rows(const LinearProduct& product, float* workspace);

}  // namespace mlx_vision::kernels
