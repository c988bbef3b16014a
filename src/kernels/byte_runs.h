/// Products of packed weights as integers, exact within a run of inputs: what the matrix unit and vectors
/// share.
#pragma once
#include <memory>

#include "core/thread_pool.h"
#include "kernels/byte_pack.h"

namespace mlx_vision::kernels {

struct XFactors {
  float scale, sum;
};
struct WFactors {
  __m512 scale, bias;
};

/// y + scale of x · (scale of W · Σ number · x) + bias of W · sum of x; `sums` for each byte of x.
inline __attribute__((always_inline)) __m512 plus_run(const std::array<__m512i, kDigits>& sums,
                                                      const XFactors& x, const WFactors& w, __m512 y) {
  const auto lower = _mm512_add_epi32(_mm512_slli_epi32(sums[1], 8), sums[2]);
  const auto whole =
      _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[0]), _mm512_set1_ps(65536), _mm512_cvtepi32_ps(lower));
  return _mm512_fmadd_ps(_mm512_mul_ps(whole, w.scale), _mm512_set1_ps(x.scale),
                         _mm512_fmadd_ps(w.bias, _mm512_set1_ps(x.sum), y));
}

/// Some rows of a strip of x by one or more times 16 outputs, from the runs of one panel.
struct Square {
  const Words* x;
  const Words* w;
  std::size_t w_words;  ///< from one 16 outputs to the next
  int runs;
};

/// Where a square stands in y.
struct Place {
  float* y;
  std::size_t stride;
  int rows;
  int columns;
  bool first;         ///< panel: y begins with the bias
  const float* bias;  ///< or null
  /// What the sums of row r, 16 outputs from `column` on, begin with.
  __m512 begin(int r, int column) const {
    const auto there = mask_of(columns - column);
    if (!first) return _mm512_maskz_loadu_ps(r < rows ? there : __mmask16(0), at(r, column));
    return bias ? _mm512_maskz_loadu_ps(there, bias + column) : _mm512_setzero_ps();
  }
  void store(int r, int column, __m512 sums) const {
    if (r < rows) _mm512_mask_storeu_ps(at(r, column), mask_of(columns - column), sums);
  }

 private:
  float* at(int r, int column) const { return y + std::size_t(r) * stride + column; }
};

/// Into the second-level cache, ahead of use.
inline void fetch(const Words* from, std::size_t words) {
  for (std::size_t i = 0; i < words; i += kLine / sizeof(Words)) _mm_prefetch(from + i, _MM_HINT_T1);
}

/// The product by a unit, whose `multiply(Square, Place)` takes Unit::kOutputs outputs at a time.
template <int kInputs, class Unit>
void multiply_part(const ByteBlock<kInputs>& block, int n0, int columns) {
  using R = ByteRun<kInputs>;
  thread_local const auto held = std::make_unique<Words[]>(kTilePanelWords);
  Words* const panel = aligned(held.get());
  const LinearProduct& p = block.p;
  const Unpacking unpack(p.weight.bits, kInputs);
  const Unit unit;
  for (int begin = 0; begin < block.runs; begin += R::kInPanel) {
    const int runs = std::min(R::kInPanel, block.runs - begin);
    const auto filled = [&](int n, int run) { return panel + std::size_t(n / kSide * runs + run) * R::kW; };
    for (int n = 0; n < rounded_up(columns, Unit::kOutputs); n += kSide)
      for (int run = 0; run < runs; ++run)
        fill_run<kInputs>(p.weight, unpack, n0 + n, (begin + run) * kInputs, filled(n, run));
    for (int strip = 0; strip < block.strips(); ++strip) {
      if (strip + 1 < block.strips()) fetch(block.at(strip + 1, begin), std::size_t(runs) * R::kX);
      for (int n = 0; n < columns; n += Unit::kOutputs)
        unit.multiply(
            {.x = block.at(strip, begin),
             .w = filled(n, 0),
             .w_words = std::size_t(runs) * R::kW,
             .runs = runs},
            {.y = p.y + std::size_t(block.first + strip * kSide) * std::size_t(p.weight.out) + n0 + n,
             .stride = std::size_t(p.weight.out),
             .rows = std::min(kSide, block.rows - strip * kSide),
             .columns = p.weight.out - n0 - n,
             .first = begin == 0,
             .bias = p.bias ? p.bias + n0 + n : nullptr});
    }
  }
}

/// `workspace` holds tile_rows_workspace() floats.
template <int kInputs, class Unit>
void multiply_runs(const LinearProduct& product, float* workspace) {
  auto& pool = core::ThreadPool::shared();
  const int out = product.weight.out, step = tile_block_rows(product.rows, product.weight.in);
  for (int first = 0; first < product.rows; first += step) {
    const ByteBlock<kInputs> block{product, aligned(workspace), product.weight.in / kInputs, first,
                                   std::min(step, product.rows - first)};
    pool.run(block.strips(), [&](int strip) { pack_strip<kInputs>(block, strip); });
    const int columns = outputs_of_task(out, Unit::kOutputs, Unit::kOutputs, kColumns);
    pool.run((out + columns - 1) / columns, [&](int task) {
      const int n = task * columns;
      multiply_part<kInputs, Unit>(block, n, std::min(columns, out - n));
    });
  }
}

}  // namespace mlx_vision::kernels
