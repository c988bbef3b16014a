#include "kernels/dense_many.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

#include <algorithm>
#include <memory>

#include "core/thread_pool.h"

// This file is compiled once for each instruction set; the one in use is chosen when it first runs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dense_many.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {

constexpr int kUnit = 48;  // outputs: whole tiles and vectors
constexpr int kOutputs = int(kPanelFloats) / kDenseBlockRows / kUnit * kUnit;  // of a task, at the most
static_assert(kDenseBlockRows % kTileColumns == 0 && kUnit % kTileRows == 0 && kUnit % kLanes == 0);

/// Rows first … of x, for each kPanelDepth inputs strips of kTileColumns rows, `[depth][kTileColumns]`.
struct Block {
  const LinearProduct& p;
  float* packed;
  int first, rows;
  int padded() const { return rounded_up(rows, kTileColumns); }
  float* strip(int k0, int m) const {
    const int depth = std::min(kPanelDepth, p.weight.in - k0);
    return packed + std::size_t(k0) * std::size_t(padded()) + std::size_t(m) * std::size_t(depth);
  }
};

void PackStrip(const Block& block, int m) {
  const int in = block.p.weight.in, rows = std::min(kTileColumns, block.rows - m);
  const float* x = block.p.x + std::size_t(block.first + m) * std::size_t(in);
  const std::uint8_t* lanes[kTileColumns];
  for (int k0 = 0; k0 < in; k0 += kPanelDepth) {
    const int depth = std::min(kPanelDepth, in - k0);
    for (int r = 0; r < kTileColumns; ++r)  // beyond the last: the last again, which nobody reads
      lanes[r] = reinterpret_cast<const std::uint8_t*>(
          x + std::size_t(std::min(r, rows - 1)) * std::size_t(in) + k0);
    auto* out = reinterpret_cast<std::uint32_t*>(block.strip(k0, m));
    for (int half = 0; half < kTileColumns; half += kLanes)
      TransposeWords(lanes + half, depth, out + half, kTileColumns);
  }
}

/// kTileRows outputs' weights of one panel of inputs, `[kTileRows][kPanelDepth]`.
void Widen(const WeightView& w, int n, int count, int k0, float* out) {
  const int depth = std::min(kPanelDepth, w.in - k0);
  for (int r = 0; r < count; ++r)
    WidenRow(w.element, w.row(n + r), std::size_t(k0), depth, out + std::size_t(r) * kPanelDepth);
}

/// Of sums with rows of x across.
std::size_t stride_of(const Part& part) { return std::size_t(rounded_up(part.rows, kTileColumns)); }

/// Sums with rows of x across, `[outputs][stride]`, to where they belong in y.
void StoreTurned(const Block& block, const Part& part, const float* sums) {
  const LinearProduct& p = block.p;
  const std::size_t y_stride = std::size_t(p.weight.out);
  float* y = p.y + std::size_t(block.first + part.m) * y_stride + part.n;
  int n = 0;
  for (; n + kLanes <= part.columns; n += kLanes) {
    const std::uint8_t* lanes[kLanes];
    for (int i = 0; i < kLanes; ++i)
      lanes[i] = reinterpret_cast<const std::uint8_t*>(sums + std::size_t(n + i) * stride_of(part));
    TransposeWords(lanes, part.rows, reinterpret_cast<std::uint32_t*>(y + n), y_stride);
  }
  for (; n < part.columns; ++n)
    for (int m = 0; m < part.rows; ++m)
      y[std::size_t(m) * y_stride + std::size_t(n)] = sums[std::size_t(n) * stride_of(part) + std::size_t(m)];
}

void MultiplyPart(const Block& block, const Part& part) {
  thread_local const auto held = std::make_unique<float[]>(kPanelFloats);
  HWY_ALIGN float weights[kTileRows * kPanelDepth];
  const LinearProduct& p = block.p;
  const std::size_t stride = stride_of(part);
  for (int n = 0; n < part.columns; ++n)
    std::fill_n(held.get() + std::size_t(n) * stride, stride, p.bias ? p.bias[part.n + n] : 0.0f);
  for (int k0 = 0; k0 < p.weight.in; k0 += kPanelDepth)
    for (int n = 0; n < part.columns; n += kTileRows) {
      const int count = std::min(kTileRows, part.columns - n);
      Widen(p.weight, part.n + n, count, k0, weights);
      for (int m = 0; m < part.rows; m += kTileColumns) {
        float* sums = held.get() + std::size_t(n) * stride + m;
        Tile<kPanelDepth, 1>({.a = weights,
                              .b = block.strip(k0, part.m + m),
                              .b_stride = kTileColumns,
                              .depth = std::min(kPanelDepth, p.weight.in - k0),
                              .init = sums,
                              .init_stride = stride,
                              .c = sums,
                              .c_stride = stride},
                             count);
      }
    }
  StoreTurned(block, part, held.get());
}

}  // namespace

void DenseMany(const LinearProduct& product, float* workspace) {
  const int step = dense_block_rows(product.rows, product.weight.in);
  for (int first = 0; first < product.rows; first += step) {
    const Block block{product, workspace, first, std::min(step, product.rows - first)};
    core::ThreadPool::shared().run(block.padded() / kTileColumns,
                                   [&](int strip) { PackStrip(block, strip * kTileColumns); });
    const int out = product.weight.out;
    share_out({0, block.rows, 0, out}, outputs_of_task(out, kUnit, kUnit, kOutputs), kTileColumns,
              [&](const Part& part) { MultiplyPart(block, part); });
  }
}

}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mlx_vision::kernels {

HWY_EXPORT(DenseMany);

void dense_many(const LinearProduct& product, float* workspace) {
  HWY_DYNAMIC_DISPATCH(DenseMany)(product, workspace);
}

}  // namespace mlx_vision::kernels
#endif  // HWY_ONCE
// NOLINTEND(readability-identifier-naming)
