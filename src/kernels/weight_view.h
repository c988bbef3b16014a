#pragma once
#include <cstddef>
#include <cstdint>

namespace mlx_vision::kernels {

inline int rounded_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

/// What a weight, a scale or a bias of packed weights is stored as.
enum class Element : std::uint8_t { float32, bfloat16, float16 };

inline std::size_t bytes_of(Element element) { return element == Element::float32 ? 4 : 2; }

/// The matrix W `[out, in]` of y = x Wᵀ where it lies in memory. Either dense, or packed as MLX packs (affine
/// mode): each row is a little-endian stream of `bits`-bit numbers q, every `group` of them sharing a scale s
/// and a bias b, and the weight is s q + b. `in` is then a multiple of `group`, which is 32, 64 or 128; rows
/// of 16-bit elements need an even `in`.
struct WeightView {
  const void* data = nullptr;
  int out = 0, in = 0;
  Element element = Element::float32;  ///< of the weights when dense, of scales and biases when packed
  int bits = 0;                        ///< 0 = dense
  int group = 0;
  const void* scales = nullptr;  ///< `[out, in / group]`
  const void* biases = nullptr;

  bool packed() const { return bits != 0; }
  int groups() const { return in / group; }
  std::size_t row_bytes() const {
    return packed() ? std::size_t(in) / 8 * std::size_t(bits) : std::size_t(in) * bytes_of(element);
  }
  const std::uint8_t* row(int n) const {
    return static_cast<const std::uint8_t*>(data) + std::size_t(n) * row_bytes();
  }
};

/// y `[rows, out]` = x `[rows, in]` Wᵀ + bias, all float32, rows `in` and `out` apart.
struct LinearProduct {
  const float* x = nullptr;
  int rows = 0;
  WeightView weight;
  const float* bias = nullptr;  ///< `[out]` or null
  float* y = nullptr;
};

}  // namespace mlx_vision::kernels
