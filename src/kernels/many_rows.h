#pragma once
#include <algorithm>
#include <cstddef>

#include "core/thread_pool.h"
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

/// A task: rows m … m + rows - 1 of a block of x by outputs n … n + columns - 1.
struct Part {
  int m, rows, n, columns;
};

/// Runs work(Part) on the shared pool for all of `whole`, `columns` outputs a task. Where that gives threads
/// too little to do, rows are shared out as well, in whole `row_unit`s and not below what repays unpacking.
template <class Work>
void share_out(const Part& whole, int columns, int row_unit, const Work& work) {
  constexpr int kFewRows = 128, kTasksOfThread = 4;
  auto& pool = core::ThreadPool::shared();
  const int parts = (whole.columns + columns - 1) / columns;
  const int shares =
      std::clamp(kTasksOfThread * pool.threads() / parts, 1, std::max(1, whole.rows / kFewRows));
  const int rows = rounded_up((whole.rows + shares - 1) / shares, row_unit);
  pool.run(parts * shares, [&](int task) {
    const int n = task / shares * columns, m = task % shares * rows;
    if (m < whole.rows)
      work(Part{m, std::min(rows, whole.rows - m), n, std::min(columns, whole.columns - n)});
  });
}

/// The product for many rows and packed weights: these are unpacked panel by panel into the cache and
/// multiplied from there, on the shared pool. `workspace` holds many_rows_workspace() floats.
void many_rows(const LinearProduct& product, float* workspace);

}  // namespace mlx_vision::kernels
