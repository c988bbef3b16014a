#pragma once
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "nn/layers.h"

namespace mlx_vision::nn {

/// Tokens by which caches made from now on grow, for the calling thread; the default is 256.
void set_cache_step(int tokens);

/// Keys and values of one layer of one sequence, grown in steps. Engine thread only.
class KvCache {
 public:
  /// `window` > 0: a token sees itself and the window - 1 before it, and what no later token sees is dropped.
  explicit KvCache(int window = 0);
  /// Appends keys and values `[1, kv_heads, L, d]`.
  void append(const mx::array& keys, const mx::array& values);
  /// Those that one of the tokens last appended may see, from position begin() on, `[1, kv_heads, length -
  /// begin, d]`.
  std::pair<mx::array, mx::array> visible() const;
  /// Tokens so far, dropped ones included.
  int length() const { return length_; }
  /// Position of the first key that visible() gives.
  int begin() const { return begin_; }
  std::uint64_t bytes() const;
  void append_state(std::vector<mx::array>& out) const;

 private:
  void make_room(const mx::array& keys, const mx::array& values);

  int step_, window_;
  std::optional<mx::array> keys_, values_;
  int stored_ = 0;  ///< position of the first key in the arrays
  int begin_ = 0, length_ = 0;
};

/// What a layer without attention carries from token to token: the last inputs of its convolution, and the
/// state of its recurrence where it has one. Engine thread only.
struct RecurrentState {
  std::optional<mx::array> inputs, state;
  std::uint64_t bytes() const;
  void append_state(std::vector<mx::array>& out) const;
};

/// Of one layer of one sequence, by the layer's kind.
using LayerCache = std::variant<KvCache, RecurrentState>;

}  // namespace mlx_vision::nn
