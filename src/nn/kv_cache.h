#pragma once
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "nn/layers.h"

namespace mlx_vision::nn {

/// Tokens by which caches made from now on grow, for the calling thread; the default is 256.
void set_cache_step(int tokens);

/// Keys and values of one layer of one sequence, grown in steps. Engine thread only.
class KvCache {
 public:
  KvCache();
  /// Appends keys and values `[1, kv_heads, L, d]`; returns all so far, `[1, kv_heads, length, d]`.
  std::pair<mx::array, mx::array> append(const mx::array& keys, const mx::array& values);
  int length() const { return length_; }
  std::uint64_t bytes() const;
  void append_state(std::vector<mx::array>& out) const;

 private:
  int step_;
  std::optional<mx::array> keys_, values_;
  int length_ = 0;
};

}  // namespace mlx_vision::nn
