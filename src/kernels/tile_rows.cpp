#include "kernels/tile_rows.h"

#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AVX512BW__) && defined(__linux__)

#include <algorithm>
#include <memory>

#include "core/thread_pool.h"
#include "kernels/matrix_unit.h"

namespace mlx_vision::kernels {
namespace {

// A panel of weights: inputs, and outputs where these have one part.
constexpr int kPanel = 512, kColumns = 256;
static_assert(std::size_t(kPanel) / 2 * kColumns + kLine / 4 <= kTilePanelWords);

struct Block {
  const LinearProduct& p;
  const Words* x;   ///< packed: panel by panel, strip by strip, step by step, kParts tiles
  int first, rows;  ///< of x
  int strips() const { return rounded_up(rows, 2 * kSide) / kSide; }
  int panel_steps(int k0) const { return rounded_up(std::min(kPanel, p.weight.in - k0), kDepth) / kDepth; }
  const Words* tiles(int k0, int strip) const {
    return x + std::size_t(k0 / kDepth) * std::size_t(strips() * kParts * kTileWords) +
           std::size_t(strip * panel_steps(k0) * kParts * kTileWords);
  }
};

void pack_strip(const Block& block, int strip) {
  const int in = block.p.weight.in;
  for (int k0 = 0; k0 < in; k0 += kPanel) {
    auto* out = const_cast<Words*>(block.tiles(k0, strip));
    const int depth = std::min(kPanel, in - k0);
    for (int step = 0; step < block.panel_steps(k0); ++step, out += kParts * kTileWords)
      for (int r = 0; r < kSide; ++r) {
        const int row = strip * kSide + r, k = step * kDepth;
        std::array<__m512i, kParts> parts{};
        if (row < block.rows) {
          const float* x = block.p.x + std::size_t(block.first + row) * std::size_t(in) + k0 + k;
          split<kParts>(_mm512_maskz_loadu_ps(mask_of(depth - k), x),
                        _mm512_maskz_loadu_ps(mask_of(depth - k - kSide), x + kSide), parts);
        }
        for (int i = 0; i < kParts; ++i)
          _mm512_storeu_si512(out + i * kTileWords + r * kSide, parts[std::size_t(i)]);
      }
  }
}

int parts_of(const WeightView& w) { return w.element == Element::float16 ? 2 : 1; }

/// Which inputs of which outputs a panel holds.
struct PanelAt {
  int n, columns, k0, steps;
};

// Tiles of pairs of inputs by outputs: for each 16 outputs, step by step, `kCount` tiles. `read(n, k)`: 32
// weights of row n from input k on, zeros behind the last, as bfloat16s that add up to them.
template <int kCount, class Read>
void fill_panel(const WeightView& w, const PanelAt& at, const Read& read, Words* out) {
  for (int n = 0; n < at.columns; n += kSide)
    for (int step = 0; step < at.steps; ++step, out += kCount * kTileWords) {
      std::array<std::array<__m512i, kSide>, kCount> tiles;
      for (int lane = 0; lane < kSide; ++lane) {
        std::array<__m512i, kCount> parts{};
        if (const int row = at.n + n + lane; row < w.out) {
          const int k = at.k0 + step * kDepth;
          parts = read(row, k);
          if (row + kSide < w.out)  // of the next 16 outputs
            _mm_prefetch(w.row(row + kSide) + std::size_t(k) * sizeof(std::uint16_t), _MM_HINT_T0);
        }
        for (std::size_t i = 0; i < kCount; ++i) tiles[i][std::size_t(lane)] = parts[i];
      }
      for (int i = 0; i < kCount; ++i) {
        transpose(tiles[std::size_t(i)]);
        for (int row = 0; row < kSide; ++row)
          _mm512_storeu_si512(out + i * kTileWords + row * kSide, tiles[std::size_t(i)][std::size_t(row)]);
      }
    }
}

void fill(const WeightView& w, const PanelAt& at, Words* out) {
  const auto stored = [&](int n, int k) {
    const auto there = __mmask32(mask_of(w.in - k)) | __mmask32(mask_of(w.in - k - kSide)) << kSide;
    return _mm512_maskz_loadu_epi16(there, reinterpret_cast<const std::uint16_t*>(w.row(n)) + k);
  };
  if (w.element == Element::bfloat16)
    return fill_panel<1>(
        w, at, [&](int n, int k) { return std::array{stored(n, k)}; }, out);
  fill_panel<2>(
      w, at,
      [&](int n, int k) {
        const auto halves = stored(n, k);
        std::array<__m512i, 2> parts;
        split<2>(_mm512_cvtph_ps(_mm512_castsi512_si256(halves)),
                 _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1)), parts);
        return parts;
      },
      out);
}

/// 16 rows by 64 outputs of y, from inputs of one panel.
struct Stripe {
  const Words* a;  ///< tiles of a strip of x
  const Words* b;  ///< of four times 16 outputs, `b_words` apart
  std::size_t b_words;
  int steps, weight_parts;
};

constexpr int kStripe = 4 * kSide;  // its outputs

// Products of parts whose sum of places is below 3: what is left out is below float32's own rounding. x's
// parts stay in tiles 4 to 6; a strip of them stays in the first-level cache. A macro, since tiles are named
// by literals.
#define MULTIPLY_INTO(tile, weights)            \
  do {                                          \
    _tile_loadd(7, (weights), 64);              \
    _tile_dpbf16ps(tile, 4, 7);                 \
    _tile_dpbf16ps(tile, 5, 7);                 \
    _tile_dpbf16ps(tile, 6, 7);                 \
    if (kWeightParts == 1) break;               \
    _tile_loadd(7, (weights) + kTileWords, 64); \
    _tile_dpbf16ps(tile, 4, 7);                 \
    _tile_dpbf16ps(tile, 5, 7);                 \
  } while (false)

template <int kWeightParts>
void multiply_steps(const Stripe& s) {
  for (int step = 0; step < s.steps; ++step) {
    const Words* a = s.a + step * kParts * kTileWords;
    const Words* b = s.b + step * kWeightParts * kTileWords;
    _tile_loadd(4, a, 64);
    _tile_loadd(5, a + kTileWords, 64);
    _tile_loadd(6, a + 2 * kTileWords, 64);
    MULTIPLY_INTO(0, b);
    MULTIPLY_INTO(1, b + s.b_words);
    MULTIPLY_INTO(2, b + 2 * s.b_words);
    MULTIPLY_INTO(3, b + 3 * s.b_words);
  }
}

#undef MULTIPLY_INTO

void multiply(const Stripe& s) { s.weight_parts == 1 ? multiply_steps<1>(s) : multiply_steps<2>(s); }

// `from` `[16, 64]`, `stride` floats apart; 0 = each row the same.
void start(const float* from, std::size_t stride) {
  _tile_loadd(0, from, stride * sizeof(float));
  _tile_loadd(1, from + kSide, stride * sizeof(float));
  _tile_loadd(2, from + 2 * kSide, stride * sizeof(float));
  _tile_loadd(3, from + 3 * kSide, stride * sizeof(float));
}

void store(float* to, std::size_t stride) {
  _tile_stored(0, to, stride * sizeof(float));
  _tile_stored(1, to + kSide, stride * sizeof(float));
  _tile_stored(2, to + 2 * kSide, stride * sizeof(float));
  _tile_stored(3, to + 3 * kSide, stride * sizeof(float));
}

struct Rectangle {
  float* at;
  std::size_t stride;
};

void copy(const Rectangle& to, const Rectangle& from, int rows, int columns) {
  for (int r = 0; r < rows; ++r)
    std::copy_n(from.at + std::size_t(r) * from.stride, columns, to.at + std::size_t(r) * to.stride);
}

void multiply_stripe(const Block& block, const Stripe& s, int m, int n, bool first) {
  const LinearProduct& p = block.p;
  const std::size_t stride = std::size_t(p.weight.out);
  const Rectangle y{p.y + std::size_t(block.first + m) * stride + n, stride};
  const int rows = std::min(kSide, block.rows - m), columns = std::min(kStripe, p.weight.out - n);
  if (rows <= 0) return;
  alignas(64) float edge[kSide * kStripe];
  alignas(64) float bias[kStripe] = {};
  const bool whole = rows == kSide && columns == kStripe;
  const Rectangle target = whole ? y : Rectangle{edge, kStripe};
  if (first) {
    if (p.bias) std::copy_n(p.bias + n, columns, bias);
    start(bias, 0);
  } else {
    if (!whole) copy(target, y, rows, columns);
    start(target.at, target.stride);
  }
  if (columns == kStripe)  // what the next stripe begins with, while this one is multiplied
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < kStripe; i += kSide)
        _mm_prefetch(reinterpret_cast<const char*>(y.at + std::size_t(r) * stride + kStripe + i),
                     _MM_HINT_T0);
  multiply(s);
  store(target.at, target.stride);
  if (!whole) copy(y, target, rows, columns);
}

void multiply_part(const Block& block, int n0, int columns) {
  thread_local const auto held = std::make_unique<Words[]>(kTilePanelWords);
  Words* const panel = aligned(held.get());
  const WeightView& w = block.p.weight;
  const int parts = parts_of(w);
  const Tiles tiles(kWholeTiles);
  for (int k0 = 0; k0 < w.in; k0 += kPanel) {
    const int steps = block.panel_steps(k0);
    const std::size_t column_words = std::size_t(steps) * std::size_t(parts) * kTileWords;
    fill(w, {n0, rounded_up(columns, kStripe), k0, steps}, panel);
    for (int strip = 0; strip < block.strips(); ++strip)
      for (int n = 0; n < columns; n += kStripe)
        multiply_stripe(block,
                        {.a = block.tiles(k0, strip),
                         .b = panel + column_words * std::size_t(n / kSide),
                         .b_words = column_words,
                         .steps = steps,
                         .weight_parts = parts},
                        strip * kSide, n0 + n, k0 == 0);
  }
}

}  // namespace

bool takes_tile_rows(int rows, const WeightView& w) {
  static const bool kThere = has_matrix_unit(kMatrixBfloat16);
  constexpr int kLeastRows = 32;  // where taking x apart is repaid
  return kThere && !w.packed() && w.element != Element::float32 && rows >= kLeastRows && unit_allowed();
}

void tile_rows(const LinearProduct& product, float* workspace) {
  auto& pool = core::ThreadPool::shared();
  const int out = product.weight.out, step = tile_block_rows(product.rows, product.weight.in);
  const Words* packed = aligned(workspace);
  for (int first = 0; first < product.rows; first += step) {
    const Block block{product, packed, first, std::min(step, product.rows - first)};
    pool.run(block.strips(), [&](int strip) { pack_strip(block, strip); });
    const int columns =
        outputs_of_task(out, kStripe, kStripe, parts_of(product.weight) == 1 ? kColumns : kColumns / 2);
    pool.run((out + columns - 1) / columns, [&](int task) {
      const int n = task * columns;
      multiply_part(block, n, std::min(columns, out - n));
    });
  }
}

}  // namespace mlx_vision::kernels

#else

namespace mlx_vision::kernels {

bool takes_tile_rows(int, const WeightView&) { return false; }
void tile_rows(const LinearProduct&, float*) {}

}  // namespace mlx_vision::kernels

#endif
