#include "memory/workspace.h"

#include <algorithm>

namespace mlx_vision::memory {
namespace {

using Bytes = std::uint64_t;

constexpr std::int64_t kManyRows = 8;  // kernels/few_rows.h: fewer rows take the packed product
constexpr std::int64_t kByteRows = 5;  // kernels/vector_packed.h
constexpr std::int64_t kChunk = 32;    // nn/recurrence.h: prompts are padded to whole chunks
constexpr Bytes kBytesPerScore = 8;    // nn/attention.cpp: what the split is reckoned with

// kernels/many_rows.h, kernels/tile_rows.h and kernels/attend.h
constexpr std::int64_t kTileRows = 12, kBlockFloats = 4 << 20, kPanelFloats = 256 * 256;
constexpr std::int64_t kMatrixValues = 700 << 10, kMostMatrixValues = 2700 << 10, kMatrixBlockRows = 512;
constexpr std::int64_t kDenseRows = 512;  // kernels/dense_many.h
constexpr std::int64_t kMatrixRows = 32, kLineFloats = 16, kMatrixPanelFloats = kPanelFloats + kLineFloats;
constexpr std::int64_t kQueryRows = 192 + kTileRows, kKeyTile = 128, kValueColumns = 32;

// Of a mixture's half, in values of a row: the block's input, the half's, the norm's two, the sums. For each
// chosen expert: the input sorted, the hidden arrays, the result sorted, put back, weighed.
std::int64_t mixture_values(const BlocksShape& b, std::int64_t hidden_arrays) {
  return 7 * std::int64_t(b.hidden) + b.chosen * (4 * std::int64_t(b.hidden) + b.mlp_hidden * hidden_arrays) +
         b.shared_hidden * hidden_arrays;
}

// Of a layer with a recurrence in place of attention.
Bytes recurrence_bytes(const BlocksShape& b, std::int64_t rows, Bytes unit) {
  if (b.recurrent_layers == 0) return 0;
  const std::int64_t whole_chunks = (rows + kChunk - 1) / kChunk * kChunk;
  return unit * Bytes(4 * b.hidden) + Bytes(whole_chunks) * Bytes(b.recurrent_values) * kFloat;
}

HalfBlock by_kernels(const BlocksShape& b, std::int64_t rows) {
  const std::int64_t d = b.hidden, q = b.query_width(), k = b.key_width(), m = b.mlp_hidden;
  // The input, the norm, the output map and its sum with the input. Queries, keys and values, the first two
  // normed and rotated, the attention's result.
  const std::int64_t attention = 4 * d + 2 * q + 2 * k + (b.rotation ? q + k : 0) + (b.head_norm ? q + k : 0);
  // The activation writes over its input, but for experts.
  const std::int64_t mlp = b.chosen > 0 ? mixture_values(b, b.activation_arrays + (b.gated ? 1 : 0))
                                        : 4 * d + m * ((b.gated ? 2 : 1) + b.mlp_copies);
  const Bytes unit = Bytes(rows) * kFloat;
  return {.attention = std::max(unit * Bytes(attention), recurrence_bytes(b, rows, unit)),
          .mlp = unit * Bytes(mlp)};
}

HalfBlock by_operations(const BlocksShape& b, std::int64_t rows, int element_bytes) {
  const std::int64_t d = b.hidden, q = b.query_width(), k = b.key_width(), m = b.mlp_hidden;
  // The input, the norm's square and result, the output map. Queries, their dense copy, the attention's
  // result and its copy with heads merged. Keys and values, and their dense copies.
  const std::int64_t plain =
      4 * d + 4 * q + 2 * k + (b.kv_heads == b.heads ? 2 * k : 0) + (b.head_norm ? q + k : 0);
  // Wide ones take copies of queries and keys as float32.
  const bool widened = b.wide_rotation && element_bytes < int(kFloat);
  const std::int64_t rotated = b.rotation ? (widened ? 5 : 3) * (q + k) / 2 : 0;
  const std::int64_t hidden_arrays = b.activation_arrays + b.mlp_copies + (b.gated ? 1 : 0);
  // The block's input, the half's, the norm's two, the second map's result.
  const std::int64_t mlp = b.chosen > 0 ? mixture_values(b, hidden_arrays) : 5 * d + m * hidden_arrays;
  const Bytes unit = Bytes(rows) * Bytes(element_bytes);
  const Bytes rotated_unit = b.wide_rotation ? Bytes(rows) * kFloat : unit;
  const Bytes attention = unit * Bytes(plain) + rotated_unit * Bytes(rotated);
  return {.attention = std::max(attention, recurrence_bytes(b, rows, unit)), .mlp = unit * Bytes(mlp)};
}

}  // namespace

HalfBlock activations(const ModelShape& model, const BlocksShape& b, std::int64_t rows) {
  return model.kernel_threads > 0 ? by_kernels(b, rows) : by_operations(b, rows, model.element_bytes);
}

std::uint64_t product_workspace(const ModelShape& model, std::int64_t rows, std::int64_t in) {
  if (model.kernel_threads == 0) return 0;
  const std::int64_t few = rows * (2 * in + 256) + kLineFloats;
  if (rows < kByteRows) return kFloat * Bytes(few);
  // By vectors, or on the matrix unit, where x has half as many values again.
  const auto whole = [](std::int64_t count, std::int64_t unit) { return count / unit * unit; };
  const auto block = [&](std::int64_t unit, std::int64_t fit) {
    return std::min(whole(rows + unit - 1, unit), std::max(unit, fit));
  };
  const std::int64_t wide = whole(in + kMatrixRows - 1, kMatrixRows);
  const std::int64_t fit = std::min(std::max(whole(kMatrixValues / wide, kMatrixRows), kMatrixBlockRows),
                                    whole(kMostMatrixValues / wide, kMatrixRows));
  const std::int64_t apart = block(kMatrixRows, fit) * wide * 3 / 2 + kLineFloats;
  const std::int64_t dense =
      block(kMatrixRows, std::min(whole(kBlockFloats / in, kMatrixRows), kDenseRows)) * in;
  const std::int64_t laid_out = std::max(dense, block(kTileRows, whole(kBlockFloats / in, kTileRows)) * in);
  return kFloat * Bytes(std::max(apart, rows < kManyRows ? few : laid_out));
}

std::uint64_t threads_scratch(const ModelShape& model, const BlocksShape& blocks) {
  const std::int64_t padded = (blocks.head_dim + kValueColumns - 1) / kValueColumns * kValueColumns;
  const std::int64_t attend = kQueryRows * (2 * padded + kKeyTile + 2) + padded * (kValueColumns + kKeyTile);
  // The same, packed for the matrix unit, whose units are 32: queries, scores, keys and values.
  const std::int64_t rows = kQueryRows - kTileRows;
  const std::int64_t packed = (rows * (padded + kKeyTile) + 2 * kKeyTile * padded) * 3 / 2 + kLineFloats;
  return Bytes(model.kernel_threads) * kFloat * Bytes(attend + packed + kPanelFloats + kMatrixPanelFloats);
}

HalfBlock workspace(const ModelShape& model, const BlocksShape& b, std::int64_t rows, bool packed) {
  HalfBlock out;
  if (packed && rows >= kManyRows) {
    // Every map of the half: its codes taken apart, and its values.
    const std::int64_t attention = 2 * b.hidden * (2 * b.query_width() + 2 * b.key_width());
    // Experts are multiplied as they are packed, but for the shared one.
    const std::int64_t width = b.chosen > 0 ? b.shared_hidden : b.mlp_hidden;
    const std::int64_t mlp = 2 * std::int64_t(b.hidden) * width * (b.gated ? 3 : 2);
    const Bytes element = Bytes(model.element_bytes);
    out = {.attention = Bytes(attention) * element, .mlp = Bytes(mlp) * element};
  }
  // Those of every map, since all that half a block takes is allocated before it runs.
  const Bytes wide = product_workspace(model, rows, b.hidden);
  out.attention += 3 * wide + product_workspace(model, rows, b.query_width());
  out.mlp += (b.gated ? 2 : 1) * wide + product_workspace(model, rows, b.mlp_hidden);
  return out;
}

std::uint64_t attention_scores(const ModelShape& model, const AttentionShape& a, std::uint64_t budget) {
  if (model.kernel_threads > 0) return 0;
  const Bytes row = Bytes(a.batch * a.heads * a.keys);
  std::int64_t queries = a.queries;
  if (row * kBytesPerScore * Bytes(a.queries) > budget)
    queries = std::clamp<std::int64_t>(std::int64_t(budget / (row * kBytesPerScore)), 1, a.queries);
  return row * Bytes(queries) * 4;
}

}  // namespace mlx_vision::memory
