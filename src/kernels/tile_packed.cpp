#include "kernels/tile_packed.h"

#if defined(__AMX_TILE__) && defined(__AMX_INT8__) && defined(__AVX512VBMI__) && defined(__linux__)

#include <algorithm>
#include <memory>

#include "core/thread_pool.h"
#include "kernels/digits.h"
#include "kernels/matrix_unit.h"
#include "kernels/tile_rows.h"

namespace mlx_vision::kernels {
namespace {

constexpr int kPanel = 512, kColumns = 256;  // inputs and outputs of a panel of weights

/// A run of inputs, which share a scale of x and one of W: what one instruction multiplies.
template <int kInputs>
struct Run {
  static constexpr int kTile = kSide * kInputs / 4;       ///< words of a tile
  static constexpr int kX = kDigits * kTile + 2 * kSide;  ///< 16 rows: bytes, scales of rows, their sums
  static constexpr int kW = kTile + 2 * kSide;            ///< 16 outputs: numbers, scales, biases
  static constexpr int kInPanel = kPanel / kInputs;
  static_assert(std::size_t(kInPanel) * kW * (kColumns / kSide) + kLine / 4 <= kTilePanelWords);
  static_assert(2 * kX <= 3 * kInputs * kSide);  // as tile_rows_workspace() reckons
};

// x's tile, 6, has rows of as many bytes, W's, 7, a row for each four.
constexpr TileConfig tiles_of(int inputs) {
  TileConfig config = whole_tiles();
  config.row_bytes[6] = std::uint16_t(inputs);
  config.rows[7] = std::uint8_t(inputs / 4);
  return config;
}
constexpr TileConfig kTiles64 = tiles_of(64), kTiles32 = tiles_of(32);

template <int kInputs>
struct Block {
  const LinearProduct& p;
  Words* x;  ///< packed: strip by strip, run by run
  int runs;  ///< of a row
  int first, rows;
  int strips() const { return rounded_up(rows, kSide) / kSide; }
  Words* at(int strip, int run) const {
    return x + (std::size_t(strip) * std::size_t(runs) + std::size_t(run)) * Run<kInputs>::kX;
  }
};

template <int kVectors>
float largest(const std::array<__m512, kVectors>& values) {
  __m512 top = _mm512_setzero_ps();
  for (const auto& v : values) top = _mm512_max_ps(top, _mm512_abs_ps(v));
  return _mm512_reduce_max_ps(top);
}

// Not a number if one of them is none, or infinite; else 0.
template <int kVectors>
float poison(const std::array<__m512, kVectors>& values) {
  __m512 sum = _mm512_setzero_ps();
  for (const auto& v : values) sum = _mm512_fmadd_ps(v, _mm512_setzero_ps(), sum);
  return _mm512_reduce_add_ps(sum);
}

// One run of row r of a strip; the most significant bytes come first.
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
  auto* factors = reinterpret_cast<float*>(out + Run<kInputs>::kX - 2 * kSide);
  const float scale = (vanishes ? 0.0f : greatest / kLargest) + poison<kVectors>(values);
  factors[r] = scale;
  factors[kSide + r] = scale * float(_mm512_reduce_add_epi32(sum));
}

template <int kInputs>
void pack_strip(const Block<kInputs>& block, int strip) {
  const std::size_t in = std::size_t(block.p.weight.in);
  const int rows = std::min(kSide, block.rows - strip * kSide);
  for (int run = 0; run < block.runs; ++run) {
    Words* out = block.at(strip, run);
    if (rows < kSide) std::fill_n(out, Run<kInputs>::kX, Words(0));
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

// One run of 16 outputs from n on; zeros behind the last output.
template <int kInputs>
void fill_run(const WeightView& w, const Unpacking& unpack, int n, int k, Words* out) {
  using R = Run<kInputs>;
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

/// 16 rows by 16 outputs of y, from the runs of one panel.
struct Square {
  const Words* x;
  const Words* w;
  int runs;
};

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

// y += scale of x · (scale of W · integers) + bias of W · sum of x.
template <class R>
inline __attribute__((always_inline)) void add_run(const std::int32_t* sums, const Words* x, const Words* w,
                                                   Sums& y) {
  const auto* of_x = reinterpret_cast<const float*>(x + R::kX - 2 * kSide);
  const auto* of_w = reinterpret_cast<const float*>(w + R::kW - 2 * kSide);
  const auto scale = _mm512_load_ps(of_w), bias = _mm512_load_ps(of_w + kSide);
#pragma GCC unroll 16
  for (int r = 0; r < kSide; ++r, sums += kSide) {
    const auto upper = _mm512_load_si512(sums);
    const auto lower = _mm512_add_epi32(_mm512_slli_epi32(_mm512_load_si512(sums + kTileWords), 8),
                                        _mm512_load_si512(sums + 2 * kTileWords));
    const auto whole =
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(upper), _mm512_set1_ps(65536), _mm512_cvtepi32_ps(lower));
    auto& sum = y[std::size_t(r)];
    sum = _mm512_fmadd_ps(bias, _mm512_set1_ps(of_x[kSide + r]), sum);
    sum = _mm512_fmadd_ps(_mm512_mul_ps(whole, scale), _mm512_set1_ps(of_x[r]), sum);
  }
}

// The unit works on one run while the vectors add up the one before.
template <int kInputs>
inline __attribute__((always_inline)) void multiply(const Square& s, Sums& y) {
  using R = Run<kInputs>;
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

/// Where the square stands in y.
struct Place {
  float* y;
  std::size_t stride;
  int rows;
  __mmask16 columns;
  bool first;         ///< panel: y begins with the bias
  const float* bias;  ///< or null
};

template <int kInputs>
void multiply_square(const Square& s, const Place& to) {
  Sums y;
  const auto begin = to.first && to.bias ? _mm512_maskz_loadu_ps(to.columns, to.bias) : _mm512_setzero_ps();
#pragma GCC unroll 16
  for (int r = 0; r < kSide; ++r)
    y[std::size_t(r)] = to.first || r >= to.rows
                            ? begin
                            : _mm512_maskz_loadu_ps(to.columns, to.y + std::size_t(r) * to.stride);
  multiply<kInputs>(s, y);
#pragma GCC unroll 16
  for (int r = 0; r < kSide; ++r)
    if (r < to.rows) _mm512_mask_storeu_ps(to.y + std::size_t(r) * to.stride, to.columns, y[std::size_t(r)]);
}

template <int kInputs>
void multiply_part(const Block<kInputs>& block, int n0, int columns) {
  using R = Run<kInputs>;
  thread_local const auto held = std::make_unique<Words[]>(kTilePanelWords);
  Words* const panel = aligned(held.get());
  const LinearProduct& p = block.p;
  const Unpacking unpack(p.weight.bits, kInputs);
  const Tiles tiles(kInputs == 64 ? kTiles64 : kTiles32);
  for (int begin = 0; begin < block.runs; begin += R::kInPanel) {
    const int runs = std::min(R::kInPanel, block.runs - begin);
    const auto filled = [&](int n, int run) { return panel + std::size_t(n / kSide * runs + run) * R::kW; };
    for (int n = 0; n < columns; n += kSide)
      for (int run = 0; run < runs; ++run)
        fill_run<kInputs>(p.weight, unpack, n0 + n, (begin + run) * kInputs, filled(n, run));
    for (int strip = 0; strip < block.strips(); ++strip)
      for (int n = 0; n < columns; n += kSide)
        multiply_square<kInputs>(
            {.x = block.at(strip, begin), .w = filled(n, 0), .runs = runs},
            {.y = p.y + std::size_t(block.first + strip * kSide) * std::size_t(p.weight.out) + n0 + n,
             .stride = std::size_t(p.weight.out),
             .rows = std::min(kSide, block.rows - strip * kSide),
             .columns = mask_of(p.weight.out - n0 - n),
             .first = begin == 0,
             .bias = p.bias ? p.bias + n0 + n : nullptr});
  }
}

template <int kInputs>
void multiply_all(const LinearProduct& product, float* workspace) {
  auto& pool = core::ThreadPool::shared();
  const int out = product.weight.out, step = tile_block_rows(product.rows, product.weight.in);
  for (int first = 0; first < product.rows; first += step) {
    const Block<kInputs> block{product, aligned(workspace), product.weight.in / kInputs, first,
                               std::min(step, product.rows - first)};
    pool.run(block.strips(), [&](int strip) { pack_strip<kInputs>(block, strip); });
    const int columns = outputs_of_task(out, kSide, kSide, kColumns);
    pool.run((out + columns - 1) / columns, [&](int task) {
      const int n = task * columns;
      multiply_part<kInputs>(block, n, std::min(columns, out - n));
    });
  }
}

}  // namespace

bool takes_tile_packed(int rows, const WeightView& w) {
  static const bool kThere = has_matrix_unit(kMatrixBytes) && __builtin_cpu_supports("avx512vbmi");
  constexpr int kLeastRows = 16;  // where taking the numbers apart is repaid
  return kThere && w.packed() && rows >= kLeastRows && unit_allowed();
}

void tile_packed(const LinearProduct& product, float* workspace) {
  product.weight.group == 32 ? multiply_all<32>(product, workspace) : multiply_all<64>(product, workspace);
}

}  // namespace mlx_vision::kernels

#else

namespace mlx_vision::kernels {

bool takes_tile_packed(int, const WeightView&) { return false; }
void tile_packed(const LinearProduct&, float*) {}

}  // namespace mlx_vision::kernels

#endif
