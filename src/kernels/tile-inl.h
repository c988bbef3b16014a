// The register tile of every product: compiled once for each instruction set by the files that include it.
#if defined(MLX_VISION_KERNELS_TILE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef MLX_VISION_KERNELS_TILE_INL_H
#undef MLX_VISION_KERNELS_TILE_INL_H
#else
#define MLX_VISION_KERNELS_TILE_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/widen-inl.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {
// Two vectors by as many rows as the registers hold besides them.
constexpr int kTileColumns = 2 * kLanes;
#if HWY_MAX_BYTES >= 64 || HWY_ARCH_ARM_A64
constexpr int kTileRows = 12;
#else
constexpr int kTileRows = 6;
#endif

/// One tile's operands. a: `[depth][kTileRows]`, or as Tile() is told; b: rows `b_stride` apart; the sums
/// start from `init`, whose rows are `init_stride` apart (0 = one row for all).
struct TileArgs {
  const float* a;
  const float* b;
  std::size_t b_stride;
  int depth;
  const float* init;
  std::size_t init_stride;
  float* c;
  std::size_t c_stride;
};

template <int kRowStep, int kDepthStep, int kRows>
void TileOf(const TileArgs& t) {
  const DF d;
  VF sums[kRows][2];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < 2; ++v)
      sums[r][v] = hn::LoadU(d, t.init + std::size_t(r) * t.init_stride + std::size_t(v) * kLanes);
  const float* HWY_RESTRICT a = t.a;
  const float* HWY_RESTRICT b = t.b;
  for (int k = 0; k < t.depth; ++k, a += kDepthStep, b += t.b_stride) {
    const VF b0 = hn::LoadU(d, b), b1 = hn::LoadU(d, b + kLanes);
    for (int r = 0; r < kRows; ++r) {
      const VF x = hn::Set(d, a[r * kRowStep]);
      sums[r][0] = hn::MulAdd(x, b0, sums[r][0]);
      sums[r][1] = hn::MulAdd(x, b1, sums[r][1]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < 2; ++v)
      hn::StoreU(sums[r][v], d, t.c + std::size_t(r) * t.c_stride + std::size_t(v) * kLanes);
}

template <int kRowStep, int kDepthStep, std::size_t... kRows>
constexpr auto TileTable(std::index_sequence<kRows...>) {
  return std::array<void (*)(const TileArgs&), sizeof...(kRows)>{
      TileOf<kRowStep, kDepthStep, int(kRows) + 1>...};
}

/// c = init + a b for `rows` ≤ kTileRows rows and kTileColumns columns. The number of row r and depth k of a
/// is at r * kRowStep + k * kDepthStep.
template <int kRowStep = 1, int kDepthStep = kTileRows>
HWY_INLINE void Tile(const TileArgs& t, int rows) {
  static constexpr auto kTable = TileTable<kRowStep, kDepthStep>(std::make_index_sequence<kTileRows>());
  kTable[std::size_t(rows) - 1](t);
}

/// The same where only `columns` of the tile exist: the rest of init is not read and of c not written.
HWY_INLINE void PartTile(TileArgs t, int rows, int columns) {
  float part[kTileRows * kTileColumns] = {};
  const std::size_t bytes = std::size_t(columns) * sizeof(float);
  for (int r = 0; r < rows; ++r)
    std::memcpy(part + std::size_t(r) * kTileColumns, t.init + std::size_t(r) * t.init_stride, bytes);
  float* const c = std::exchange(t.c, part);
  const std::size_t c_stride = std::exchange(t.c_stride, kTileColumns);
  t.init = part;
  t.init_stride = kTileColumns;
  Tile(t, rows);
  for (int r = 0; r < rows; ++r)
    std::memcpy(c + std::size_t(r) * c_stride, part + std::size_t(r) * kTileColumns, bytes);
}

/// Rows of x, `stride` apart, as a tile's a: `[depth][kTileRows]`; rows beyond `rows` are left as they are.
HWY_INLINE void PackRows(const float* x, std::size_t stride, int rows, int depth, float* out) {
  for (int r = 0; r < rows; ++r) {
    const float* HWY_RESTRICT from = x + std::size_t(r) * stride;
    float* HWY_RESTRICT to = out + r;
    for (int k = 0; k < depth; ++k) to[std::size_t(k) * kTileRows] = from[k];
  }
}

#if HWY_TARGET != HWY_SCALAR

/// Four 32-bit words of each of kLanes rows → four vectors, one for each word, a lane for each row.
HWY_INLINE void TransposeFour(const std::uint8_t* const* rows, std::size_t offset, std::uint32_t* out,
                              std::size_t out_stride) {
  const hn::FixedTag<std::uint32_t, 4> d4;
  const DU d;
  const hn::FixedTag<std::uint64_t, kLanes / 2> d64;
  const auto load = [&](int r) HWY_ATTR {
    const auto block = [&](int b) HWY_ATTR {
      return hn::LoadU(d4, reinterpret_cast<const std::uint32_t*>(rows[4 * b + r] + offset));
    };
#if HWY_MAX_BYTES >= 64
    const hn::FixedTag<std::uint32_t, 8> d8;
    return hn::Combine(d, hn::Combine(d8, block(3), block(2)), hn::Combine(d8, block(1), block(0)));
#elif HWY_MAX_BYTES >= 32
    return hn::Combine(d, block(1), block(0));
#else
    return block(0);
#endif
  };
  const auto v0 = load(0), v1 = load(1), v2 = load(2), v3 = load(3);
  const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, v0, v1));
  const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, v0, v1));
  const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, v2, v3));
  const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, v2, v3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, low01, low23)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23)), d, out + out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, high01, high23)), d, out + 2 * out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23)), d, out + 3 * out_stride);
}

#endif

/// `words` 32-bit words of each of kLanes rows → `[words][kLanes]`, these `out_stride` apart.
HWY_INLINE void TransposeWords(const std::uint8_t* const* rows, int words, std::uint32_t* out,
                               std::size_t out_stride) {
  int w = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; w + 4 <= words; w += 4)
    TransposeFour(rows, std::size_t(w) * 4, out + std::size_t(w) * out_stride, out_stride);
#endif
  for (; w < words; ++w)
    for (int r = 0; r < kLanes; ++r)
      std::memcpy(out + std::size_t(w) * out_stride + r, rows[r] + std::size_t(w) * 4, 4);
}

}  // namespace
}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// NOLINTEND(readability-identifier-naming)
#endif
