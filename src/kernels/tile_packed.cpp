#include "kernels/tile_packed.h"

#if defined(__AMX_TILE__) && defined(__AMX_INT8__) && defined(__AVX512VBMI__) && defined(__linux__)

#include "kernels/byte_runs.h"

namespace mlx_vision::kernels {
namespace {

// x's tile, 6, has rows of as many bytes, W's, 7, a row for each four.
constexpr TileConfig tiles_of(int inputs) {
  TileConfig config = whole_tiles();
  config.row_bytes[6] = std::uint16_t(inputs);
  config.rows[7] = std::uint8_t(inputs / 4);
  return config;
}
template <int kInputs>
constexpr TileConfig kTilesOf = tiles_of(kInputs);

// Tile numbers are literals, hence macros: the sums of one run, of each byte in a tile of its own.
#define MULTIPLY_RUN(upper, middle, lower, x, w) \
  do {                                           \
    _tile_zero(upper);                           \
    _tile_zero(middle);                          \
    _tile_zero(lower);                           \
    _tile_loadd(7, (w), kLine);                  \
    _tile_loadd(6, (x), kInputs);                \
    _tile_dpbsud(upper, 6, 7);                   \
    _tile_loadd(6, (x) + R::kTile, kInputs);     \
    _tile_dpbsud(middle, 6, 7);                  \
    _tile_loadd(6, (x) + 2 * R::kTile, kInputs); \
    _tile_dpbsud(lower, 6, 7);                   \
  } while (false)

#define STORE_RUN(upper, middle, lower, to)            \
  do {                                                 \
    _tile_stored(upper, (to), kLine);                  \
    _tile_stored(middle, (to) + kTileWords, kLine);    \
    _tile_stored(lower, (to) + 2 * kTileWords, kLine); \
  } while (false)

using Sums = std::array<__m512, kSide>;

template <class R>
inline __attribute__((always_inline)) void add_run(const std::int32_t* sums, const Words* x, const Words* w,
                                                   Sums& y) {
  const auto* of_x = reinterpret_cast<const float*>(x + R::kX - 2 * kSide);
  const auto* of_w = reinterpret_cast<const float*>(w + R::kW - 2 * kSide);
  const WFactors factors{_mm512_load_ps(of_w), _mm512_load_ps(of_w + kSide)};
#pragma GCC unroll 16
  for (int r = 0; r < kSide; ++r, sums += kSide)
    y[std::size_t(r)] = plus_run({_mm512_load_si512(sums), _mm512_load_si512(sums + kTileWords),
                                  _mm512_load_si512(sums + 2 * kTileWords)},
                                 {of_x[r], of_x[kSide + r]}, factors, y[std::size_t(r)]);
}

// The unit works on one run while the vectors add up the one before.
template <int kInputs>
inline __attribute__((always_inline)) void multiply(const Square& s, Sums& y) {
  using R = ByteRun<kInputs>;
  alignas(64) std::int32_t even[kDigits * kTileWords], odd[kDigits * kTileWords];
  const Words *x = s.x, *w = s.w;
  const auto add = [&](const std::int32_t* sums, int run) __attribute__((always_inline)) {
    add_run<R>(sums, x + run * R::kX, w + run * R::kW, y);
  };
  MULTIPLY_RUN(0, 1, 2, x, w);
  STORE_RUN(0, 1, 2, even);
  int left = s.runs;
  for (; left > 2; left -= 2, x += 2 * R::kX, w += 2 * R::kW) {
    MULTIPLY_RUN(3, 4, 5, x + R::kX, w + R::kW);
    add(even, 0);
    STORE_RUN(3, 4, 5, odd);
    MULTIPLY_RUN(0, 1, 2, x + 2 * R::kX, w + 2 * R::kW);
    add(odd, 1);
    STORE_RUN(0, 1, 2, even);
  }
  if (left == 2) MULTIPLY_RUN(3, 4, 5, x + R::kX, w + R::kW);
  add(even, 0);
  if (left < 2) return;
  STORE_RUN(3, 4, 5, odd);
  add(odd, 1);
}

#undef MULTIPLY_RUN
#undef STORE_RUN

template <int kInputs>
struct MatrixUnit {
  static constexpr int kOutputs = kSide;
  void multiply(const Square& s, const Place& to) const {
    Sums y;
#pragma GCC unroll 16
    for (int r = 0; r < kSide; ++r) y[std::size_t(r)] = to.begin(r, 0);
    kernels::multiply<kInputs>(s, y);
#pragma GCC unroll 16
    for (int r = 0; r < kSide; ++r) to.store(r, 0, y[std::size_t(r)]);
  }
  Tiles tiles{kTilesOf<kInputs>};
};

}  // namespace

bool takes_tile_packed(int rows, const WeightView& w) {
  static const bool kThere = has_matrix_unit(kMatrixBytes) && __builtin_cpu_supports("avx512vbmi");
  constexpr int kLeastRows = 16;  // where taking the numbers apart is repaid
  return kThere && w.packed() && rows >= kLeastRows && unit_allowed();
}

void tile_packed(const LinearProduct& product, float* workspace) {
  product.weight.group == 32 ? multiply_runs<32, MatrixUnit<32>>(product, workspace)
                             : multiply_runs<64, MatrixUnit<64>>(product, workspace);
}

}  // namespace mlx_vision::kernels

#else

namespace mlx_vision::kernels {

bool takes_tile_packed(int, const WeightView&) { return false; }
void tile_packed(const LinearProduct&, float*) {}

}  // namespace mlx_vision::kernels

#endif
