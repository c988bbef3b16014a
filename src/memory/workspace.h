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

/// Activations of `rows` rows; scores and unpacked weights come on top.
HalfBlock activations(const BlocksShape& blocks, std::int64_t rows, int element_bytes);

/// Weights that are unpacked for products with `rows` rows, where the maps of a block are packed.
HalfBlock unpacked_weights(const BlocksShape& blocks, std::int64_t rows, int element_bytes);

struct AttentionShape {
  std::int64_t batch = 1, heads = 0, queries = 0, keys = 0;
};
/// Scores of one attention whose queries are split at the budget.
std::uint64_t attention_scores(const AttentionShape& a, std::uint64_t budget);

/// Layers whose caches exist twice while they grow.
constexpr int kGrowingLayers = 3;

}  // namespace mlx_vision::memory
