#include "kernels/tile_rows.h"

#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AVX512BW__) && defined(__linux__)

#include <cpuid.h>
#include <hwy/targets.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "core/thread_pool.h"
#include "kernels/many_rows.h"

namespace mlx_vision::kernels {
namespace {

// Of a tile: rows, and pairs of bfloat16 in a row.
constexpr int kSide = 16, kDepth = 2 * kSide, kTileWords = kSide * kSide;
constexpr std::size_t kLine = 64;  ///< bytes of the cache's
constexpr int kParts = 3;          // of float32
// A panel of weights: inputs, and outputs where these have one part.
constexpr int kPanel = 512, kColumns = 256;
static_assert(std::size_t(kPanel) / 2 * (kColumns / 2) * kParts + kLine / 4 <= kTilePanelWords);

using Words = std::uint32_t;

bool permitted() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  constexpr unsigned kTiles = 1u << 24 | 1u << 22;   // of leaf 7: AMX-TILE, AMX-BF16
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTiles) == kTiles &&
         syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

constexpr TileConfig whole_tiles() {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = kSide;
  }
  return config;
}

// Not on the stack: compilers do not know how much of it the instruction reads, and leave stores out.
constexpr TileConfig kWholeTiles = whole_tiles();

// Tiles of 16 rows of 64 bytes, for as long as this lives.
class Tiles {
 public:
  Tiles() { _tile_loadconfig(&kWholeTiles); }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

int rounded_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

// From a line of the cache on: rows of tiles that lie in two lines take twice as long.
Words* aligned(void* memory) {
  return reinterpret_cast<Words*>((reinterpret_cast<std::uintptr_t>(memory) + kLine - 1) / kLine * kLine);
}

// The upper halves of two vectors of float32 as 32 bfloat16, a's first.
__m512i upper_halves(__m512i a, __m512i b) {
  const auto low = _mm512_cvtepi32_epi16(_mm512_srli_epi32(a, 16));
  const auto high = _mm512_cvtepi32_epi16(_mm512_srli_epi32(b, 16));
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

__m512 rest_of(__m512 x, __m512i* part) {
  *part = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(int(0xffff0000u)));
  return _mm512_sub_ps(x, _mm512_castsi512_ps(*part));
}

// 32 values of x as `count` rows of bfloat16, the first the most significant; truncated, so that three hold
// it all.
template <int kCount>
void split(__m512 a, __m512 b, std::array<__m512i, kCount>& parts) {
  for (int i = 0; i < kCount; ++i) {
    __m512i low, high;
    a = rest_of(a, &low);
    b = rest_of(b, &high);
    parts[std::size_t(i)] = upper_halves(low, high);
  }
}

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

// Values from `at` on, zeros behind `count`.
__m512 loaded(const float* at, int count) {
  if (count >= kSide) return _mm512_loadu_ps(at);
  return count <= 0 ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), at);
}

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
          split<kParts>(loaded(x, depth - k), loaded(x + kSide, depth - k - kSide), parts);
        }
        for (int i = 0; i < kParts; ++i)
          _mm512_storeu_si512(out + i * kTileWords + r * kSide, parts[std::size_t(i)]);
      }
  }
}

float widened(Element element, const void* values, std::size_t i) {
  if (element == Element::float32) return static_cast<const float*>(values)[i];
  const auto bits = static_cast<const std::uint16_t*>(values)[i];
  if (element == Element::float16) return _cvtsh_ss(bits);
  const std::uint32_t word = std::uint32_t(bits) << 16;
  float out;
  std::memcpy(&out, &word, sizeof out);
  return out;
}

// 16 numbers of a packed row from its number k on, a multiple of 16.
template <int kBits>
__m512 numbers(const std::uint8_t* row, int k) {
  const std::uint8_t* at = row + std::size_t(k) * kBits / 8;
  if constexpr (kBits == 8) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
  } else if constexpr (kBits == 4) {
    std::uint32_t words[2];
    std::memcpy(words, at, sizeof words);
    const auto both =
        _mm512_inserti64x4(_mm512_set1_epi32(int(words[0])), _mm256_set1_epi32(int(words[1])), 1);
    const auto shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srlv_epi32(both, shifts), _mm512_set1_epi32(15)));
  } else {
    std::uint32_t word;
    std::memcpy(&word, at, sizeof word);
    const auto shifts = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_cvtepi32_ps(
        _mm512_and_si512(_mm512_srlv_epi32(_mm512_set1_epi32(int(word)), shifts), _mm512_set1_epi32(3)));
  }
}

// 32 weights of row n from input k on as `kCount` rows of bfloat16; zeros behind the last input.
template <int kCount, class Read>
void weights_of(const Read& read, int n, int k, std::array<__m512i, kCount>& parts) {
  split<kCount>(read(n, k), read(n, k + kSide), parts);
}

// rows[i] word j → rows[j] word i.
void transpose(std::array<__m512i, kSide>& r) {
  std::array<__m512i, kSide> t;
  for (std::size_t i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (std::size_t i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

int parts_of(const WeightView& w) {
  if (w.packed()) return kParts;
  return w.element == Element::float16 ? 2 : 1;
}

/// Which inputs of which outputs a panel holds.
struct PanelAt {
  int n, columns, k0, steps;
};

// Tiles of pairs of inputs by outputs: for each 16 outputs, step by step, `kCount` tiles.
template <int kCount, class Read>
void fill_panel(const WeightView& w, const PanelAt& at, const Read& read, Words* out) {
  for (int n = 0; n < at.columns; n += kSide)
    for (int step = 0; step < at.steps; ++step, out += kCount * kTileWords) {
      std::array<std::array<__m512i, kSide>, kCount> tiles;
      for (int lane = 0; lane < kSide; ++lane) {
        std::array<__m512i, kCount> parts{};
        if (const int row = at.n + n + lane; row < w.out)
          weights_of<kCount>(read, row, at.k0 + step * kDepth, parts);
        for (std::size_t i = 0; i < kCount; ++i) tiles[i][std::size_t(lane)] = parts[i];
      }
      for (int i = 0; i < kCount; ++i) {
        transpose(tiles[std::size_t(i)]);
        for (int row = 0; row < kSide; ++row)
          _mm512_storeu_si512(out + i * kTileWords + row * kSide, tiles[std::size_t(i)][std::size_t(row)]);
      }
    }
}

template <int kBits>
void fill_packed(const WeightView& w, const PanelAt& at, Words* out) {
  const auto read = [&](int n, int k) {
    if (k >= w.in) return _mm512_setzero_ps();
    const std::size_t group = std::size_t(n) * std::size_t(w.groups()) + std::size_t(k / w.group);
    return _mm512_fmadd_ps(numbers<kBits>(w.row(n), k), _mm512_set1_ps(widened(w.element, w.scales, group)),
                           _mm512_set1_ps(widened(w.element, w.biases, group)));
  };
  fill_panel<kParts>(w, at, read, out);
}

__mmask16 mask_of(int count) {
  return count >= kSide ? __mmask16(0xffff) : __mmask16((1u << std::max(count, 0)) - 1);
}

void fill(const WeightView& w, const PanelAt& at, Words* out) {
  if (w.packed())
    return w.bits == 4   ? fill_packed<4>(w, at, out)
           : w.bits == 8 ? fill_packed<8>(w, at, out)
                         : fill_packed<2>(w, at, out);
  const auto half = [&](int n, int k) {
    return _mm256_maskz_loadu_epi16(mask_of(w.in - k), reinterpret_cast<const std::uint16_t*>(w.row(n)) + k);
  };
  if (w.element == Element::float16)
    return fill_panel<2>(
        w, at, [&](int n, int k) { return _mm512_cvtph_ps(half(n, k)); }, out);
  fill_panel<1>(
      w, at,
      [&](int n, int k) {
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half(n, k)), 16));
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
#define MULTIPLY_INTO(tile, weights)                \
  do {                                              \
    _tile_loadd(7, (weights), 64);                  \
    _tile_dpbf16ps(tile, 4, 7);                     \
    _tile_dpbf16ps(tile, 5, 7);                     \
    _tile_dpbf16ps(tile, 6, 7);                     \
    if (kWeightParts == 1) break;                   \
    _tile_loadd(7, (weights) + kTileWords, 64);     \
    _tile_dpbf16ps(tile, 4, 7);                     \
    _tile_dpbf16ps(tile, 5, 7);                     \
    if (kWeightParts == 2) break;                   \
    _tile_loadd(7, (weights) + 2 * kTileWords, 64); \
    _tile_dpbf16ps(tile, 4, 7);                     \
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

void multiply(const Stripe& s) {
  s.weight_parts == 1   ? multiply_steps<1>(s)
  : s.weight_parts == 2 ? multiply_steps<2>(s)
                        : multiply_steps<3>(s);
}

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
  const Tiles tiles;
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
  static const bool kThere = permitted();
  constexpr int kLeastRows = 32, kLeastOfPacked = 96;  // where taking packed weights apart is repaid
  // A test that forces one set of instructions forces this one out.
  constexpr auto kBoth = HWY_AVX2 | HWY_AVX3_DL;
  const bool serves = w.packed() ? w.bits == 2 || w.bits == 4 || w.bits == 8 : w.element != Element::float32;
  return kThere && serves && rows >= (w.packed() ? kLeastOfPacked : kLeastRows) &&
         (hwy::SupportedTargets() & kBoth) == kBoth;
}

void tile_rows(const LinearProduct& product, float* workspace) {
  auto& pool = core::ThreadPool::shared();
  const int out = product.weight.out, step = tile_block_rows(product.rows, product.weight.in);
  const Words* packed = aligned(workspace);
  for (int first = 0; first < product.rows; first += step) {
    const Block block{product, packed, first, std::min(step, product.rows - first)};
    pool.run(block.strips(), [&](int strip) { pack_strip(block, strip); });
    const int wanted = pool.threads() == 1 ? 1 : 4 * pool.threads();
    const int columns = std::clamp(rounded_up((out + wanted - 1) / wanted, kStripe), kStripe,
                                   parts_of(product.weight) == 1 ? kColumns : kColumns / 2);
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
