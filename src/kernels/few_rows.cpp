#include "kernels/few_rows.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

#include <algorithm>
#include <vector>

#include "core/thread_pool.h"

// This file is compiled once for each instruction set; the one in use is chosen when it first runs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/few_rows.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "kernels/widen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {

constexpr int kRowsAtOnce = 4;  // of x, that share one pass over a row of W

/// What the rows of W are multiplied with.
struct Inputs {
  const LinearProduct& p;
  const float* x;     ///< `[rows, in]`; for packed weights in the order of the lanes, see OrderRow
  const float* sums;  ///< `[rows, groups]` of x, packed weights only
  int first, rows;    ///< of x
  const float* row(int r) const { return x + std::size_t(first + r) * std::size_t(p.weight.in); }
};

/// Puts the `words` words' inputs from `k` on in the order in which RowBlocks meets them: blocks of kWidth
/// words, in each the first number of every word, then the second… The number at bit s of a word is met as
/// q 2^s, except the last, so that its input is scaled by 2^-s, which is exact.
template <int kBits, int kWidth>
void OrderRow(const float* x, int words, float* out) {
  constexpr int kValues = 32 / kBits;
  const int blocks = words / kWidth;
  for (int b = 0; b < blocks; ++b, x += kWidth * kValues, out += kWidth * kValues) {
    float scale = 1;
    for (int j = 0; j < kValues; ++j, scale /= float(1 << kBits))
      for (int i = 0; i < kWidth; ++i)
        out[j * kWidth + i] = x[i * kValues + j] * (j + 1 < kValues ? scale : 1.0f);
  }
  if constexpr (kWidth > 1) OrderRow<kBits, kWidth / 2>(x, words % kWidth, out);
}

/// A vector whose lane i holds the scale of the group that input i of a block of `span` inputs a lane is in.
template <int kWidth, int kSpan, class D>
HWY_INLINE hn::Vec<D> LaneScales(D d, const float* scales, int group) {
  auto v = hn::Set(d, scales[0]);
  for (int at = group; at < kWidth * kSpan; at += group)
    v = hn::IfThenElse(hn::FirstN(d, std::size_t(at / kSpan)), v, hn::Set(d, scales[at / group]));
  return v;
}

template <int kBits, int kIndex, class D, class V>
HWY_INLINE hn::Vec<D> ShiftedNumber(D d, V words) {
  constexpr int kValues = 32 / kBits;
  const hn::Rebind<std::uint32_t, D> du;
  const hn::Rebind<std::int32_t, D> di;
  if constexpr (kIndex + 1 == kValues)
    return hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<32 - kBits>(words)));
  else
    return hn::ConvertTo(
        d, hn::BitCast(di, hn::And(words, hn::Set(du, ((1u << kBits) - 1) << (kIndex * kBits)))));
}

template <int kBits, int kRows, int kWidth, class D, int... kIndex>
HWY_INLINE void AddWords(D d, const std::uint32_t* words, const float* const* x, hn::Vec<D>* sums,
                         std::integer_sequence<int, kIndex...>) {
  const auto packed = hn::LoadU(hn::Rebind<std::uint32_t, D>(), words);
  const auto add = [&](auto q, std::size_t index) HWY_ATTR {
    for (int r = 0; r < kRows; ++r)
      sums[r] = hn::MulAdd(q, hn::LoadU(d, x[r] + index * std::size_t(kWidth)), sums[r]);
  };
  (add(ShiftedNumber<kBits, kIndex>(d, packed), kIndex), ...);
}

/// Adds the products of `words` words from input `k` on to `out[r]`, a block of kWidth words at a time, the
/// rest in smaller blocks.
template <int kBits, int kRows, int kWidth>
HWY_INLINE void RowBlocks(const WeightView& w, const std::uint32_t* words, int k, const float* scales,
                          const float* const* inputs, float* out) {
  constexpr int kValues = 32 / kBits;
  const hn::CappedTag<float, kWidth> d;
  const float* x[kRows];
  hn::Vec<decltype(d)> sums[kRows];
  for (int r = 0; r < kRows; ++r) {
    x[r] = inputs[r] + k;
    sums[r] = hn::Zero(d);
  }
  const int end = k + (w.in - k) / (kValues * kWidth) * (kValues * kWidth);
  for (; k < end; k += kValues * kWidth, words += kWidth) {
    hn::Vec<decltype(d)> block[kRows];
    for (int r = 0; r < kRows; ++r) block[r] = hn::Zero(d);
    AddWords<kBits, kRows, kWidth>(d, words, x, block, std::make_integer_sequence<int, kValues>());
    const auto scale = LaneScales<kWidth, kValues>(d, scales + k / w.group, w.group);
    for (int r = 0; r < kRows; ++r) {
      sums[r] = hn::MulAdd(block[r], scale, sums[r]);
      x[r] += kValues * kWidth;
    }
  }
  for (int r = 0; r < kRows; ++r) out[r] += hn::GetLane(hn::SumOfLanes(d, sums[r]));
  if constexpr (kWidth > 1)
    if (k < w.in) RowBlocks<kBits, kRows, kWidth / 2>(w, words, k, scales, inputs, out);
}

/// Σ a[i] b[i]
HWY_INLINE float Dot(const float* a, const float* b, int count) {
  const DF d;
  VF sum = hn::Zero(d);
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum);
  float out = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < count; ++i) out += a[i] * b[i];
  return out;
}

template <int kBits, int kRows>
void PackedRow(const Inputs& in, int n, float* out) {
  const WeightView& w = in.p.weight;
  const int groups = w.groups();
  thread_local std::vector<float> scales, biases;
  scales.resize(std::size_t(groups));
  biases.resize(std::size_t(groups));
  WidenRow(w.element, w.scales, std::size_t(n) * std::size_t(groups), groups, scales.data());
  WidenRow(w.element, w.biases, std::size_t(n) * std::size_t(groups), groups, biases.data());
  const float* x[kRows];
  for (int r = 0; r < kRows; ++r) {
    x[r] = in.row(r);
    out[r] = Dot(biases.data(), in.sums + std::size_t(in.first + r) * std::size_t(groups), groups);
  }
  RowBlocks<kBits, kRows, kLanes>(w, reinterpret_cast<const std::uint32_t*>(w.row(n)), 0, scales.data(), x,
                                  out);
}

template <Element kElement, int kRows>
void DenseRow(const Inputs& in, int n, float* out) {
  constexpr int kChains = 2;
  const DF d;
  const WeightView& w = in.p.weight;
  const std::uint8_t* weights = w.row(n);
  VF sums[kRows][kChains];
  for (auto& row : sums)
    for (auto& sum : row) sum = hn::Zero(d);
  int k = 0;
  for (; k + kChains * kLanes <= w.in; k += kChains * kLanes)
    for (int c = 0; c < kChains; ++c) {
      const std::size_t at = std::size_t(k + c * kLanes);
      const VF q = LoadWidened<kElement>(d, weights, at);
      for (int r = 0; r < kRows; ++r) sums[r][c] = hn::MulAdd(q, hn::LoadU(d, in.row(r) + at), sums[r][c]);
    }
  const hn::CappedTag<float, 1> one;
  for (int r = 0; r < kRows; ++r) {
    out[r] = hn::GetLane(hn::SumOfLanes(d, hn::Add(sums[r][0], sums[r][1])));
    for (int i = k; i < w.in; ++i)
      out[r] += hn::GetLane(LoadWidened<kElement>(one, weights, std::size_t(i))) * in.row(r)[i];
  }
}

template <int kRows>
void Row(const Inputs& in, int n, float* out) {
  const WeightView& w = in.p.weight;
  switch (w.bits) {
    case 2:
      return PackedRow<2, kRows>(in, n, out);
    case 4:
      return PackedRow<4, kRows>(in, n, out);
    case 8:
      return PackedRow<8, kRows>(in, n, out);
    default:
      break;
  }
  switch (w.element) {
    case Element::float32:
      return DenseRow<Element::float32, kRows>(in, n, out);
    case Element::bfloat16:
      return DenseRow<Element::bfloat16, kRows>(in, n, out);
    case Element::float16:
      return DenseRow<Element::float16, kRows>(in, n, out);
  }
}

void Rows(const Inputs& in, int n, float* out) {
  switch (in.rows) {
    case 1:
      return Row<1>(in, n, out);
    case 2:
      return Row<2>(in, n, out);
    case 3:
      return Row<3>(in, n, out);
    default:
      return Row<4>(in, n, out);
  }
}

void OrderInputs(const LinearProduct& p, float* x, float* sums) {
  const WeightView& w = p.weight;
  for (int r = 0; r < p.rows; ++r) {
    const float* from = p.x + std::size_t(r) * std::size_t(w.in);
    float* to = x + std::size_t(r) * std::size_t(w.in);
    const int words = w.in * w.bits / 32;
    if (w.bits == 2) OrderRow<2, kLanes>(from, words, to);
    if (w.bits == 4) OrderRow<4, kLanes>(from, words, to);
    if (w.bits == 8) OrderRow<8, kLanes>(from, words, to);
    for (int g = 0; g < w.groups(); ++g) {
      float sum = 0;
      for (int k = g * w.group; k < (g + 1) * w.group; ++k) sum += from[k];
      *sums++ = sum;
    }
  }
}

}  // namespace

void FewRows(const LinearProduct& p, float* workspace) {
  const WeightView& w = p.weight;
  float* sums = workspace + std::size_t(p.rows) * std::size_t(w.in);
  if (w.packed()) OrderInputs(p, workspace, sums);
  auto& pool = core::ThreadPool::shared();
  // Large enough that handing it out does not show, and a multiple of a cache line of results.
  constexpr std::size_t kTaskBytes = 64 << 10;
  const int step = int(std::clamp<std::size_t>(kTaskBytes / w.row_bytes() / 16 * 16, 16, 4096));
  pool.run((w.out + step - 1) / step, [&](int task) HWY_ATTR {
    for (int n = task * step; n < std::min(w.out, (task + 1) * step); ++n)
      for (int first = 0; first < p.rows; first += kRowsAtOnce) {
        const Inputs in{p, w.packed() ? workspace : p.x, sums, first, std::min(kRowsAtOnce, p.rows - first)};
        float out[kRowsAtOnce];
        Rows(in, n, out);
        for (int r = 0; r < in.rows; ++r)
          p.y[std::size_t(first + r) * std::size_t(w.out) + std::size_t(n)] =
              out[r] + (p.bias ? p.bias[n] : 0);
      }
  });
}

}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mlx_vision::kernels {

HWY_EXPORT(FewRows);

void few_rows(const LinearProduct& product, float* workspace) {
  HWY_DYNAMIC_DISPATCH(FewRows)(product, workspace);
}

}  // namespace mlx_vision::kernels
#endif  // HWY_ONCE
// NOLINTEND(readability-identifier-naming)
