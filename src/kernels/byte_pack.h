/// Runs of inputs as bytes: of x, taken apart into three, and of the numbers of packed weights. For files
/// that are compiled for AVX-512 with VBMI alone, see CMakeLists.txt.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

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

}  // namespace mlx_vision::kernels
