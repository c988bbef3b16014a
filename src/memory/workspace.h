#pragma once
#include <cstdint>

#include "memory/shape.h"

namespace mlx_vision::memory {

// What the operations of src/nn hold while they work: the only place that depends on how products and
// attention are implemented. Figures are bytes of MLX's allocator. Since it allocates far ahead of the work,
// all that half a block allocates exists at one time (nn::settle ends the half); an operation that may write
// into its input allocates nothing. docs/memory.md lists the terms.

/// Rotation tables, scores and pixels are float32 on every backend.
constexpr std::uint64_t kFloat = 4;

/// What each half of a block holds, from its input to the sum with it.
struct HalfBlock {
  std::uint64_t attention = 0, mlp = 0;
};

/// Activations of `rows` rows; scores and workspace come on top.
HalfBlock activations(const ModelShape& model, const BlocksShape& blocks, std::int64_t rows);

/// What the products of `rows` rows hold besides: weights that are unpacked (`packed`: those of these blocks
/// are), and the rows as the CPU's kernels take them.
HalfBlock workspace(const ModelShape& model, const BlocksShape& blocks, std::int64_t rows, bool packed);

/// What one product of `rows` rows of `in` numbers holds where the CPU's kernels serve, at the most:
/// kernels::linear_workspace(). Else 0.
std::uint64_t product_workspace(const ModelShape& model, std::int64_t rows, std::int64_t in);

/// What the kernels' threads hold for good, outside MLX's allocator: kernels::attend_scratch() and
/// kernels::kPanelFloats for each.
std::uint64_t threads_scratch(const ModelShape& model, const BlocksShape& blocks);

struct AttentionShape {
  std::int64_t batch = 1, heads = 0, queries = 0, keys = 0;
};
/// Scores of one attention whose queries are split at the budget. None where the CPU's kernels serve: their
/// tiles are part of threads_scratch().
std::uint64_t attention_scores(const ModelShape& model, const AttentionShape& a, std::uint64_t budget);

/// Layers whose caches exist twice while they grow.
constexpr int kGrowingLayers = 3;

}  // namespace mlx_vision::memory
