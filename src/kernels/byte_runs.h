/// Products of packed weights as integers, exact within a run of inputs: what the matrix unit and vectors share.
/// For files that are compiled for AVX-512 with VBMI alone, see CMakeLists.txt.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include "core/thread_pool.h"
#include "kernels/digits.h"
#include "kernels/matrix_unit.h"
#include "kernels/tile_rows.h"

namespace mlx_vision::kernels {

inline constexpr int kPanel = 512, kColumns = 256;  // inputs and outputs of a panel of weights

/// A run of inputs, which share a scale of x and one of W: what one instruction multiplies.
template <int kInputs>
struct ByteRun {
  static constexpr int kTile = kSide * kInputs / 4;       ///< words of a tile
  static constexpr int kX = kDigits * kTile + 2 * kSide;  ///< 16 rows: bytes, scales of rows, their sums
  static constexpr int kW = kTile + 2 * kSide;            ///< 16 outputs: numbers, scales, biases
  static constexpr int kInPanel = kPanel / kInputs;
  static_assert(std::size_t(kInPanel) * kW * (kColumns / kSide) + kLine / 4 <= kTilePanelWords);
  static_assert(2 * kX <= 3 * kInputs * kSide);  // as tile_rows_workspace() reckons
};

template <int kInputs>
struct ByteBlock {
  const LinearProduct& p;
  Words* x;  ///< packed: strip by strip, run by run
  int runs;  ///< of a row
  int first, rows;
  int strips() const { return rounded_up(rows, kSide) / kSide; }
  Words* at(int strip, int run) const {
    return x + (std::size_t(strip) * std::size_t(runs) + std::size_t(run)) * ByteRun<kInputs>::kX;
  }
};

template <int kVectors>
float largest(const std::array<__m512, kVectors>& values) {
  __m512 top = _mm512_setzero_ps();
  for (const auto& v : values) top = _mm512_max_ps(top, _mm512_abs_ps(v));
  return _mm512_reduce_max_ps(top);
}

/// Not a number if one of them is none, or infinite; else 0.
template <int kVectors>
float poison(const std::array<__m512, kVectors>& values) {
  __m512 sum = _mm512_setzero_ps();
  for (const auto& v : values) sum = _mm512_fmadd_ps(v, _mm512_setzero_ps(), sum);
  return _mm512_reduce_add_ps(sum);
}

/// One run of row r of a strip; the most significant bytes come first.
template <int kInputs>
void pack_run(const float* x, int r, Words* out) {
  constexpr int kVectors = kInputs / kSide;
  std::array<__m512, kVectors> values;
  for (int i = 0; i < kVectors; ++i) values[std::size_t(i)] = _mm512_loadu_ps(x + i * kSide);
  const float greatest = largest<kVectors>(values);
  const bool vanishes = greatest < kTiny;
  const auto factor = _mm512_set1_ps(vanishes ? 0.0f : kLargest / greatest);
  const auto most = _mm512_set1_ps(kLargest), least = _mm512_set1_ps(-kLargest);
  auto* bytes = reinterpret_cast<std::uint8_t*>(out) + r * kInputs;
  __m512i sum = _mm512_setzero_si512();
  for (int i = 0; i < kVectors; ++i) {
    const auto scaled = _mm512_mul_ps(values[std::size_t(i)], factor);
    auto whole = _mm512_cvtps_epi32(_mm512_max_ps(_mm512_min_ps(scaled, most), least));
    sum = _mm512_add_epi32(sum, whole);
    for (int digit = kDigits - 1; digit >= 0; --digit) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes + digit * kSide * kInputs + i * kSide),
                       _mm512_cvtepi32_epi8(whole));
      whole = _mm512_srai_epi32(_mm512_add_epi32(whole, _mm512_set1_epi32(128)), 8);
    }
  }
  auto* factors = reinterpret_cast<float*>(out + ByteRun<kInputs>::kX - 2 * kSide);
  const float scale = (vanishes ? 0.0f : greatest / kLargest) + poison<kVectors>(values);
  factors[r] = scale;
  factors[kSide + r] = scale * float(_mm512_reduce_add_epi32(sum));
}

template <int kInputs>
void pack_strip(const ByteBlock<kInputs>& block, int strip) {
  const std::size_t in = std::size_t(block.p.weight.in);
  const int rows = std::min(kSide, block.rows - strip * kSide);
  for (int run = 0; run < block.runs; ++run) {
    Words* out = block.at(strip, run);
    if (rows < kSide) std::fill_n(out, ByteRun<kInputs>::kX, Words(0));
    const float* x = block.p.x + std::size_t(block.first + strip * kSide) * in + run * kInputs;
    for (int r = 0; r < rows; ++r) pack_run<kInputs>(x + std::size_t(r) * in, r, out);
  }
}

/// Takes packed numbers apart into bytes: which bytes each eight of them lie in, and where in these.
struct Unpacking {
  Unpacking(int bits, int count) : bytes(~std::uint64_t(0) >> (64 - count * bits / 8)) {
    alignas(64) std::uint8_t from[64], shift[64];
    for (int i = 0; i < 64; ++i) {
      from[i] = std::uint8_t(std::min(i / 8 * bits + i % 8, 63));
      shift[i] = std::uint8_t(i % 8 * bits);
    }
    places = _mm512_load_si512(from);
    shifts = _mm512_load_si512(shift);
    numbers = _mm512_set1_epi8(char((1 << bits) - 1));
  }
  __m512i operator()(const std::uint8_t* packed) const {
    const auto near = _mm512_permutexvar_epi8(places, _mm512_maskz_loadu_epi8(bytes, packed));
    return _mm512_and_si512(_mm512_multishift_epi64_epi8(shifts, near), numbers);
  }
  std::uint64_t bytes;
  __m512i places, shifts, numbers;
};

/// One run of 16 outputs from n on; zeros behind the last output.
template <int kInputs>
void fill_run(const WeightView& w, const Unpacking& unpack, int n, int k, Words* out) {
  using R = ByteRun<kInputs>;
  std::array<__m512i, kSide> rows{};
  alignas(64) float factors[2 * kSide] = {};
  for (int lane = 0; lane < std::min(kSide, w.out - n); ++lane) {
    const std::size_t begin = std::size_t(k) * std::size_t(w.bits) / 8;
    rows[std::size_t(lane)] = unpack(w.row(n + lane) + begin);
    if (n + lane + kSide < w.out)  // of the next 16 outputs
      _mm_prefetch(w.row(n + lane + kSide) + begin, _MM_HINT_T0);
    const std::size_t group = std::size_t(n + lane) * std::size_t(w.groups()) + std::size_t(k / w.group);
    factors[lane] = widened(w.element, w.scales, group);
    factors[kSide + lane] = widened(w.element, w.biases, group);
  }
  transpose(rows);
  for (int i = 0; i < kInputs / 4; ++i) _mm512_store_si512(out + i * kSide, rows[std::size_t(i)]);
  std::memcpy(out + R::kW - 2 * kSide, factors, sizeof factors);
}

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
