#pragma once
#include <cstddef>
#include <cstdint>

namespace mlx_vision::kernels {

/// Products of small float32 matrices on the matrix unit (Intel AMX, products of bfloat16): both sides are
/// taken apart into three bfloat16 parts, which hold all of their 24 bits, and packed into tiles. For one
/// thread each.

inline constexpr int kProductUnit = 32;  ///< to whose multiples rows, columns and depth are filled up

/// Words that a packed side takes.
constexpr std::size_t product_words(int lines, int depth) {
  const auto up = [](int n) { return std::size_t(n + kProductUnit - 1) / kProductUnit * kProductUnit; };
  return up(lines) * up(depth) * 3 / 2;
}

/// Whether the unit is there. It repays packing from kProductUnit rows on.
bool has_tile_product();

/// A side whose `lines` lie `stride` floats apart, `depth` values each: rows of a left side.
void pack_rows(const float* x, std::size_t stride, int lines, int depth, std::uint32_t* out);

/// The same as columns of a right side.
void pack_columns(const float* x, std::size_t stride, int lines, int depth, std::uint32_t* out);

/// A right side `[depth, columns]`, rows `stride` floats apart.
void pack_right(const float* x, std::size_t stride, int depth, int columns, std::uint32_t* out);

/// y `[rows, columns]`, both filled up to kProductUnit, rows `stride` floats apart, = the product, or with
/// `add` y + the product. `out` of every function and `y` begin with a line of the cache.
struct TileProduct {
  const std::uint32_t *left, *right;
  int rows, columns, depth;
  float* y;
  std::size_t stride;
  bool add;
};
void multiply_tiles(const TileProduct& product);

}  // namespace mlx_vision::kernels
