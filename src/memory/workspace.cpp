#include "memory/workspace.h"

#include <algorithm>

namespace mlx_vision::memory {
namespace {

using Bytes = std::uint64_t;

constexpr std::int64_t kRowsThatUnpack = 8;  // nn/layers.cpp: fewer rows take the packed product
constexpr std::int64_t kChunk = 32;          // nn/recurrence.h: prompts are padded to whole chunks
constexpr Bytes kBytesPerScore = 8;          // nn/attention.cpp: what the split is reckoned with

}  // namespace

HalfBlock activations(const BlocksShape& b, std::int64_t rows, int element_bytes) {
  const std::int64_t d = b.hidden, q = b.query_width(), k = b.key_width(), m = b.mlp_hidden;
  // The input, the norm's square and result, the output map. Queries, their dense copy, the attention's
  // result and its copy with heads merged. Keys and values, and their dense copies.
  const std::int64_t plain =
      4 * d + 4 * q + 2 * k + (b.kv_heads == b.heads ? 2 * k : 0) + (b.head_norm ? q + k : 0);
  // Wide ones take copies of queries and keys as float32.
  const bool widened = b.wide_rotation && element_bytes < int(kFloat);
  const std::int64_t rotated = b.rotation ? (widened ? 5 : 3) * (q + k) / 2 : 0;
  const std::int64_t hidden_arrays = b.activation_arrays + (b.gated ? 1 : 0);
  // The block's input, the half's, the norm's two, the second map's result. Of a mixture, for each chosen
  // expert: the input sorted, the hidden arrays, the result sorted, put back, weighed; and the sum.
  const std::int64_t mlp =
      b.chosen > 0 ? 7 * d + b.chosen * (4 * d + m * hidden_arrays) + b.shared_hidden * hidden_arrays
                   : 5 * d + m * hidden_arrays;
  const Bytes unit = Bytes(rows) * Bytes(element_bytes);
  const Bytes rotated_unit = b.wide_rotation ? Bytes(rows) * kFloat : unit;
  const Bytes attention = unit * Bytes(plain) + rotated_unit * Bytes(rotated);
  const Bytes recurrence = b.recurrent_layers > 0
                               ? unit * Bytes(4 * d) + Bytes((rows + kChunk - 1) / kChunk * kChunk) *
                                                           Bytes(b.recurrent_values) * kFloat
                               : 0;
  return {.attention = std::max(attention, recurrence), .mlp = unit * Bytes(mlp)};
}

HalfBlock unpacked_weights(const BlocksShape& b, std::int64_t rows, int element_bytes) {
  if (rows < kRowsThatUnpack) return {};
  // Every map of the half: its codes taken apart, and its values.
  const std::int64_t attention = 2 * b.hidden * (2 * b.query_width() + 2 * b.key_width());
  // Experts are multiplied as they are packed, but for the shared one.
  const std::int64_t width = b.chosen > 0 ? b.shared_hidden : b.mlp_hidden;
  const std::int64_t mlp = 2 * std::int64_t(b.hidden) * width * (b.gated ? 3 : 2);
  return {.attention = Bytes(attention) * Bytes(element_bytes), .mlp = Bytes(mlp) * Bytes(element_bytes)};
}

std::uint64_t attention_scores(const AttentionShape& a, std::uint64_t budget) {
  const Bytes row = Bytes(a.batch * a.heads * a.keys);
  std::int64_t queries = a.queries;
  if (row * kBytesPerScore * Bytes(a.queries) > budget)
    queries = std::clamp<std::int64_t>(std::int64_t(budget / (row * kBytesPerScore)), 1, a.queries);
  return row * Bytes(queries) * 4;
}

}  // namespace mlx_vision::memory
