#include "nn/attention.h"

#include <algorithm>

#include "kernels/attention.h"
#include "nn/layers.h"

namespace mlx_vision::nn {
namespace {

thread_local std::uint64_t budget = 1ull << 30;

// MLX's fallback holds the scores and their softmax at once, in float32.
constexpr std::uint64_t kBytesPerScore = 8;

// The head size at which MLX runs a kernel that never holds all scores of many queries; nullopt = none for
// this input. Metal: mlx/backend/metal/scaled_dot_product_attention.cpp; CUDA: cuDNN, 16-bit types only.
std::optional<int> fused_head_dim(int d, mx::Dtype dtype) {
  if (mx::default_device() == mx::Device::cpu || d > 128) return std::nullopt;
  if (!mx::metal::is_available()) return dtype.size() == 2 ? std::optional((d + 7) / 8 * 8) : std::nullopt;
  for (const int fused : {64, 80})
    if (d <= fused) return fused;
  return 128;
}

mx::array pad_head(const mx::array& x, int d) {
  return mx::pad(x, std::vector<int>{3}, mx::Shape{0}, mx::Shape{d - x.shape(3)}, mx::array(0.0f, x.dtype()));
}

mx::array fused(const mx::array& q, const mx::array& k, const mx::array& v, float scale, Mask mask) {
  return mx::fast::scaled_dot_product_attention(q, k, v, scale, mask == Mask::causal ? "causal" : "");
}

mx::array rows(const mx::array& x, int begin, int end) {
  return mx::slice(x, {0, 0, begin, 0}, {x.shape(0), x.shape(1), end, x.shape(3)});
}

}  // namespace

void set_attention_budget(std::uint64_t bytes) { budget = bytes; }
std::uint64_t attention_budget() { return budget; }

mx::array attention(const mx::array& q, const mx::array& k, const mx::array& v, float scale, Mask mask) {
  if (kernels::has_attention(q, k))
    return kernels::attention(q, k, v, {.scale = scale, .causal = mask == Mask::causal});
  const int length = q.shape(2), keys = k.shape(2), d = q.shape(3);
  const std::uint64_t row_bytes = std::uint64_t(q.shape(0)) * q.shape(1) * keys * kBytesPerScore;
  if (row_bytes * length <= budget) return fused(q, k, v, scale, mask);
  if (const auto padded = fused_head_dim(d, q.dtype())) {
    if (*padded == d) return fused(q, k, v, scale, mask);
    const auto y = fused(pad_head(q, *padded), pad_head(k, *padded), pad_head(v, *padded), scale, mask);
    return mx::slice(y, {0, 0, 0, 0}, {y.shape(0), y.shape(1), length, d});
  }
  const int step = int(std::clamp<std::uint64_t>(budget / row_bytes, 1, std::uint64_t(length)));
  std::vector<mx::array> parts;
  for (int begin = 0; begin < length; begin += step) {
    const int end = std::min(length, begin + step);
    const int seen = mask == Mask::causal ? keys - length + end : keys;
    parts.push_back(fused(rows(q, begin, end), rows(k, 0, seen), rows(v, 0, seen), scale, mask));
    mx::eval(parts.back());  // frees this part's scores before the next part's are allocated
  }
  return mx::concatenate(std::move(parts), 2);
}

mx::array block_attention(const mx::array& q, const mx::array& k, const mx::array& v, float scale,
                          std::span<const int> ends) {
  if (kernels::has_attention(q, k))
    return kernels::attention(q, k, v, {.scale = scale, .ends = {ends.begin(), ends.end()}});
  std::vector<mx::array> parts;
  int begin = 0;
  for (std::size_t i = 0; i < ends.size();) {
    // Neighbours of equal length become one batch.
    const int block = ends[i] - begin;
    int count = 1;
    while (i + count < ends.size() && ends[i + count] - ends[i + count - 1] == block) ++count;
    const int end = begin + count * block;
    const auto fold = [&](const mx::array& x) {
      const auto y = mx::reshape(rows(x, begin, end), {x.shape(1), count, block, x.shape(3)});
      return mx::transpose(y, {1, 0, 2, 3});
    };
    const auto y = mx::transpose(attention(fold(q), fold(k), fold(v), scale, Mask::none), {1, 0, 2, 3});
    parts.push_back(mx::reshape(y, {1, q.shape(1), count * block, q.shape(3)}));
    begin = end;
    i += count;
  }
  return joined(std::move(parts), 2);
}

mx::array split_heads(const mx::array& x, int heads) {
  const int batch = x.shape(0), length = x.shape(1), width = x.shape(2);
  return mx::transpose(mx::reshape(x, {batch, length, heads, width / heads}), {0, 2, 1, 3});
}

mx::array merge_heads(const mx::array& x) {
  return mx::reshape(mx::transpose(x, {0, 2, 1, 3}), {x.shape(0), x.shape(2), x.shape(1) * x.shape(3)});
}

}  // namespace mlx_vision::nn
