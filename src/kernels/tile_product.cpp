#include "kernels/tile_product.h"

#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AVX512BW__) && defined(__linux__)

#include "kernels/matrix_unit.h"

namespace mlx_vision::kernels {
namespace {

constexpr int kStepWords = kParts * kTileWords;  // of 16 lines

using Parts = std::array<__m512i, kParts>;

// 32 values of a line, zeros behind `count`.
Parts parts_of(const float* x, int count) {
  Parts parts;
  split<kParts>(_mm512_maskz_loadu_ps(mask_of(count), x),
                _mm512_maskz_loadu_ps(mask_of(count - kSide), x + kSide), parts);
  return parts;
}

// Pairs of rows, by 16 columns: the first in the lower halves.
void pack_pair(const float* x, std::size_t stride, int rows, __mmask16 columns, Words* out) {
  std::array<__m512, 2> pair;
  for (int i = 0; i < 2; ++i)
    pair[std::size_t(i)] =
        i < rows ? _mm512_maskz_loadu_ps(columns, x + std::size_t(i) * stride) : _mm512_setzero_ps();
  for (int part = 0; part < kParts; ++part) {
    __m512i low, high;
    pair[0] = rest_of(pair[0], &low);
    pair[1] = rest_of(pair[1], &high);
    _mm512_store_si512(out + part * kTileWords, _mm512_or_si512(_mm512_srli_epi32(low, 16), high));
  }
}

// Products of parts whose sum of places is below 3: what is left out is below float32's own rounding. Four
// squares of y, in tiles 0 to 3, so that each product's sum is ready when it is needed again.
void multiply_step(const Words* upper, const Words* lower, const Words* first, const Words* second) {
  for (int right = 0; right < kParts; ++right) {
    _tile_loadd(6, first + right * kTileWords, kLine);
    _tile_loadd(7, second + right * kTileWords, kLine);
    for (int left = 0; left + right < kParts; ++left) {
      _tile_loadd(4, upper + left * kTileWords, kLine);
      _tile_loadd(5, lower + left * kTileWords, kLine);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
}

void multiply_square(const TileProduct& p, int m, int n, int steps) {
  const std::size_t bytes = p.stride * sizeof(float), line = std::size_t(steps) * kStepWords;
  float* const y = p.y + std::size_t(m) * p.stride + n;
  float* const lower = y + kSide * p.stride;
  if (p.add) {
    _tile_loadd(0, y, bytes);
    _tile_loadd(1, y + kSide, bytes);
    _tile_loadd(2, lower, bytes);
    _tile_loadd(3, lower + kSide, bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const Words *a = p.left + std::size_t(m / kSide) * line, *b = p.right + std::size_t(n / kSide) * line;
  for (int step = 0; step < steps; ++step, a += kStepWords, b += kStepWords)
    multiply_step(a, a + line, b, b + line);
  _tile_stored(0, y, bytes);
  _tile_stored(1, y + kSide, bytes);
  _tile_stored(2, lower, bytes);
  _tile_stored(3, lower + kSide, bytes);
}

}  // namespace

bool has_tile_product() {
  static const bool kThere = has_matrix_unit(kMatrixBfloat16);
  return kThere && unit_allowed();
}

void pack_rows(const float* x, std::size_t stride, int lines, int depth, Words* out) {
  for (int line = 0; line < rounded_up(lines, kProductUnit); line += kSide)
    for (int k = 0; k < depth; k += kDepth, out += kStepWords)
      for (int r = 0; r < kSide; ++r) {
        const Parts parts =
            line + r < lines ? parts_of(x + std::size_t(line + r) * stride + k, depth - k) : Parts{};
        for (int i = 0; i < kParts; ++i)
          _mm512_store_si512(out + i * kTileWords + r * kSide, parts[std::size_t(i)]);
      }
}

void pack_columns(const float* x, std::size_t stride, int lines, int depth, Words* out) {
  pack_rows(x, stride, lines, depth, out);
  for (int tile = 0;
       tile < rounded_up(lines, kProductUnit) / kSide * (rounded_up(depth, kDepth) / kDepth) * kParts;
       ++tile, out += kTileWords) {
    std::array<__m512i, kSide> rows;
    for (int r = 0; r < kSide; ++r) rows[std::size_t(r)] = _mm512_load_si512(out + r * kSide);
    transpose(rows);
    for (int r = 0; r < kSide; ++r) _mm512_store_si512(out + r * kSide, rows[std::size_t(r)]);
  }
}

void pack_right(const float* x, std::size_t stride, int depth, int columns, Words* out) {
  for (int n = 0; n < rounded_up(columns, kProductUnit); n += kSide)
    for (int k = 0; k < depth; k += kDepth, out += kStepWords)
      for (int pair = 0; pair < kSide; ++pair) {
        const int row = k + 2 * pair;
        pack_pair(x + std::size_t(row) * stride + n, stride, depth - row, mask_of(columns - n),
                  out + pair * kSide);
      }
}

void multiply_tiles(const TileProduct& p) {
  const Tiles tiles(kWholeTiles);
  const int steps = rounded_up(p.depth, kDepth) / kDepth;
  for (int m = 0; m < p.rows; m += kProductUnit)
    for (int n = 0; n < p.columns; n += kProductUnit) multiply_square(p, m, n, steps);
}

}  // namespace mlx_vision::kernels

#else

namespace mlx_vision::kernels {

bool has_tile_product() { return false; }
void pack_rows(const float*, std::size_t, int, int, std::uint32_t*) {}
void pack_columns(const float*, std::size_t, int, int, std::uint32_t*) {}
void pack_right(const float*, std::size_t, int, int, std::uint32_t*) {}
void multiply_tiles(const TileProduct&) {}

}  // namespace mlx_vision::kernels

#endif
