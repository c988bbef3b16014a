#pragma once
#include <cstddef>
#include <vector>

#include "kernels/tile_product.h"

namespace mlx_vision::kernels {

/// A tensor `[batch, heads, length, d]` of float32 whose last axis is contiguous; the others' strides are in
/// elements.
template <class T>
struct HeadsView {
  T* data = nullptr;
  std::ptrdiff_t batch = 0, head = 0, row = 0;
  T* at(int b, int h, int i) const { return data + b * batch + h * head + i * row; }
};

/// softmax(scale · q kᵀ) v, each group of heads / kv_heads query heads sharing keys and values. Query i
/// stands at position keys - queries + i.
struct Attention {
  HeadsView<const float> q, k, v;
  HeadsView<float> y;
  int batch = 0, heads = 0, kv_heads = 0, queries = 0, keys = 0;
  int d = 0, value_d = 0;  ///< of queries and keys, and of values and the result
  float scale = 1;
  float softcap = 0;    ///< > 0 bounds scores by softcap · tanh(score / softcap) (Gemma 2, arXiv 2408.00118)
  bool causal = false;  ///< a query sees no key beyond its position
  std::vector<int> first, last;  ///< in place of causal: the keys that each query sees; empty = all
  std::vector<int> ends;         ///< blocks of queries and keys that do not see each other; empty = one
};

inline constexpr int kKeyTile = 128;    ///< keys whose scores are held at a time
inline constexpr int kQueryTile = 192;  ///< query rows at a time, and the most heads that may share keys

/// Floats of scratch that a thread holds for good after attending with heads of that size.
constexpr std::size_t attend_scratch(int d, int value_d) {
  const std::size_t rows = kQueryTile + 12, padded = (std::size_t(value_d) + 31) / 32 * 32;
  const std::size_t per_row = std::size_t(d) + padded + kKeyTile + 2;  // query, sums, scores, maximum, total
  const std::size_t plain = rows * per_row + std::size_t(d) * 32 + padded * kKeyTile;
  // As tile_product.h packs them, in place of the plain ones: queries, scores, keys, values.
  const std::size_t packed = product_words(kQueryTile, d) + product_words(kQueryTile, kKeyTile) +
                             product_words(kKeyTile, d) + product_words(kKeyTile, value_d);
  return plain + packed + 16;  // from a line of the cache on
}

/// Runs on the shared pool; scores exist one tile at a time.
void attend(const Attention& attention);

}  // namespace mlx_vision::kernels
