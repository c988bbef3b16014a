#pragma once
#include <algorithm>
#include <cstddef>

#include "kernels/many_rows.h"
#include "kernels/weight_view.h"

namespace mlx_vision::kernels {

/// Values of x that are taken apart at a time: what stays near the processor, but enough rows to repay the
/// weights' being unpacked for each block.
inline constexpr std::size_t kTileBlockValues = std::size_t(700) << 10,
                             kMostTileBlockValues = std::size_t(2700) << 10;
inline constexpr int kTileBlockRows = 512;

/// Words of unpacked weights, taken apart, that each thread holds.
inline constexpr std::size_t kTilePanelWords = kPanelFloats + 16;

/// Rows of x in one block, a multiple of 32.
constexpr int tile_block_rows(int rows, int in) {
  const std::size_t wide = (std::size_t(in) + 31) / 32 * 32;
  const auto whole = [&](std::size_t values) { return int(values / wide) / 32 * 32; };
  const int fit = std::min(std::max(whole(kTileBlockValues), kTileBlockRows), whole(kMostTileBlockValues));
  return std::min((rows + 31) / 32 * 32, std::max(32, fit));
}

/// Floats of workspace that tile_rows() takes, three halves for each value, and tile_packed() at the most.
constexpr std::size_t tile_rows_workspace(int rows, int in) {
  return std::size_t(tile_block_rows(rows, in)) * ((std::size_t(in) + 31) / 32 * 32) * 3 / 2 + 16;
}

/// Whether this processor's matrix unit (Intel AMX, products of bfloat16) is there and is the faster way: for
/// dense bfloat16 and float16 weights, from some rows on.
bool takes_tile_rows(int rows, const WeightView& weight);

/// As many_rows() on the matrix unit. x is taken apart into three bfloat16 parts, which hold all of its 24
/// bits; bfloat16 weights are as they are, float16 ones two parts. `workspace` holds
/// tile_rows_workspace() floats.
void tile_rows(const LinearProduct& product, float* workspace);

}  // namespace mlx_vision::kernels
