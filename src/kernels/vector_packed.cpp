#include "kernels/vector_packed.h"

#if defined(__AVX512VNNI__) && defined(__AVX512VBMI__) && defined(__linux__)

#include "kernels/byte_runs.h"

namespace mlx_vision::kernels {
namespace {

constexpr int kRows = 4, kVectors = 2;  // as many as the registers hold sums of, three for each

struct alignas(64) Sums {
  __m512 at[kRows][kVectors];
};

/// Four products in each lane. Written out, since compilers copy the sums for their own function.
inline void add_products(__m512i& sums, __m512i numbers, __m512i bytes) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(numbers), "v"(bytes));
}

/// Adds one run's products to y. A function of its own, so that y is in memory while the sums of the run
/// take up the registers.
template <int kInputs>
[[gnu::noinline]] void add_run(const Words* run, int row, const Words* w, std::size_t w_words, Sums& y) {
  using R = ByteRun<kInputs>;
  constexpr int kRowWords = kInputs / 4;
  const Words* x = run + row * kRowWords;
  __m512i sums[kDigits][kRows][kVectors] = {};
  for (int word = 0; word < kRowWords; ++word) {
    const __m512i numbers[] = {_mm512_load_si512(w + word * kSide),
                               _mm512_load_si512(w + w_words + word * kSide)};
#pragma GCC unroll 3
    for (int digit = 0; digit < kDigits; ++digit)
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const auto bytes = _mm512_set1_epi32(int(x[digit * R::kTile + r * kRowWords + word]));
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) add_products(sums[digit][r][v], numbers[v], bytes);
      }
  }
  const auto* of_x = reinterpret_cast<const float*>(run + R::kX - 2 * kSide) + row;
  const auto* of_w = reinterpret_cast<const float*>(w + R::kW - 2 * kSide);
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v, of_w += w_words) {
    const WFactors factors{_mm512_load_ps(of_w), _mm512_load_ps(of_w + kSide)};
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
      y.at[r][v] = plus_run({sums[0][r][v], sums[1][r][v], sums[2][r][v]}, {of_x[r], of_x[kSide + r]},
                            factors, y.at[r][v]);
  }
}

template <int kInputs>
struct Vectors {
  static constexpr int kOutputs = kVectors * kSide;
  void multiply(const Square& s, const Place& to) const {
    for (int row = 0; row < to.rows; row += kRows) {
      Sums y;
      for (int r = 0; r < kRows; ++r)
        for (int v = 0; v < kVectors; ++v) y.at[r][v] = to.begin(row + r, v * kSide);
      for (int run = 0; run < s.runs; ++run)
        add_run<kInputs>(s.x + run * ByteRun<kInputs>::kX, row, s.w + run * ByteRun<kInputs>::kW, s.w_words,
                         y);
      for (int r = 0; r < kRows; ++r)
        for (int v = 0; v < kVectors; ++v) to.store(row + r, v * kSide, y.at[r][v]);
    }
  }
};

}  // namespace

bool takes_vector_packed(int rows, const WeightView& w) {
  static const bool kThere = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
  return kThere && w.packed() && rows >= kLeastByteRows && unit_allowed();
}

void vector_packed(const LinearProduct& product, float* workspace) {
  product.weight.group == 32 ? multiply_runs<32, Vectors<32>>(product, workspace)
                             : multiply_runs<64, Vectors<64>>(product, workspace);
}

}  // namespace mlx_vision::kernels

#else

namespace mlx_vision::kernels {

bool takes_vector_packed(int, const WeightView&) { return false; }
void vector_packed(const LinearProduct&, float*) {}

}  // namespace mlx_vision::kernels

#endif
