#include "nn/attention.h"

#include <algorithm>
#include <limits>

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

// [L, keys], true where query begin + i sees key key_begin + j.
mx::array visibility(const VisibleKeys& visible, int begin, int end, int key_begin, int keys) {
  const auto column = [&](const std::vector<int>& values) {
    return mx::array(values.begin() + begin, {end - begin, 1}, mx::int32);
  };
  const auto positions = mx::expand_dims(mx::arange(key_begin, key_begin + keys, mx::int32), 0);
  return mx::logical_and(mx::greater_equal(positions, column(visible.first)),
                         mx::less_equal(positions, column(visible.last)));
}

// Scores bounded by tanh, which MLX's kernels do not know.
mx::array capped(const mx::array& q, const mx::array& k, const mx::array& v, float scale, float softcap,
                 const mx::array& seen) {
  const int batch = q.shape(0), heads = q.shape(1), length = q.shape(2), d = q.shape(3);
  const int kv_heads = k.shape(1);
  const auto grouped = mx::reshape(q, {batch, kv_heads, heads / kv_heads, length, d});
  auto scores = mx::matmul(grouped * scalar(scale / softcap, q), mx::expand_dims(mx::swapaxes(k, -1, -2), 2));
  scores = mx::tanh(scores) * scalar(softcap, scores);
  scores = mx::where(seen, scores, mx::array(-std::numeric_limits<float>::infinity(), scores.dtype()));
  const auto y = mx::matmul(mx::softmax(scores, -1, /*precise=*/true), mx::expand_dims(v, 2));
  return mx::reshape(y, {batch, heads, length, v.shape(3)});
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

VisibleKeys visible_keys(int begin, int count, int window, std::span<const MutualRows> mutual) {
  VisibleKeys out;
  for (int i = begin; i < begin + count; ++i) {
    int last = i;
    for (const auto& rows : mutual)
      if (i >= rows.begin && i < rows.end) last = rows.end - 1;
    out.first.push_back(window > 0 ? std::max(0, i - window + 1) : 0);
    out.last.push_back(last);
  }
  return out;
}

mx::array attention(const mx::array& q, const mx::array& k, const mx::array& v, float scale,
                    const VisibleKeys& visible, float softcap) {
  if (kernels::has_attention(q, k)) {
    kernels::AttentionSpec spec{
        .scale = scale, .softcap = softcap, .first = visible.first, .last = visible.last};
    for (int& key : spec.first) key -= visible.key_begin;
    for (int& key : spec.last) key -= visible.key_begin;
    return kernels::attention(q, k, v, std::move(spec));
  }
  const int length = q.shape(2), key_begin = visible.key_begin, key_end = key_begin + k.shape(2);
  const std::uint64_t key_bytes = std::uint64_t(q.shape(0)) * q.shape(1) * kBytesPerScore;
  std::vector<mx::array> parts;
  for (int begin = 0; begin < length;) {
    // As many queries as the budget takes, with the keys that any of them sees.
    int end = begin, first = key_end, last = key_begin;
    do {
      first = std::min(first, visible.first[end]);
      last = std::max(last, visible.last[end]);
      ++end;
    } while (end < length &&
             key_bytes * (end + 1 - begin) *
                     (std::max(last, visible.last[end]) + 1 - std::min(first, visible.first[end])) <=
                 budget);
    first = std::max(first, key_begin);
    last = std::min(last, key_end - 1);
    const auto queries = rows(q, begin, end), keys = rows(k, first - key_begin, last + 1 - key_begin),
               values = rows(v, first - key_begin, last + 1 - key_begin);
    const auto seen = visibility(visible, begin, end, first, last + 1 - first);
    parts.push_back(softcap > 0
                        ? capped(queries, keys, values, scale, softcap, seen)
                        : mx::fast::scaled_dot_product_attention(queries, keys, values, scale, "", seen));
    if (end < length || begin > 0) mx::eval(parts.back());
    begin = end;
  }
  return joined(std::move(parts), 2);
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

// One row lies in memory the same both ways.
mx::array split_heads(const mx::array& x, int heads) {
  const int batch = x.shape(0), length = x.shape(1), width = x.shape(2);
  if (length == 1) return mx::reshape(x, {batch, heads, 1, width / heads});
  return mx::transpose(mx::reshape(x, {batch, length, heads, width / heads}), {0, 2, 1, 3});
}

mx::array merge_heads(const mx::array& x) {
  const int batch = x.shape(0), length = x.shape(2), width = x.shape(1) * x.shape(3);
  if (length == 1) return mx::reshape(x, {batch, 1, width});
  return mx::reshape(mx::transpose(x, {0, 2, 1, 3}), {batch, length, width});
}

}  // namespace mlx_vision::nn
