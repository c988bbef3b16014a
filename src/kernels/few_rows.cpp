#include "kernels/few_rows.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

#include <hwy/cache_control.h>

#include <algorithm>
#include <optional>
#include <type_traits>
#include <vector>

#include "core/thread_pool.h"

// This file is compiled once for each instruction set; the one in use is chosen when it first runs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/few_rows.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "kernels/digits-inl.h"
#include "kernels/widen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {

constexpr int kRowsAtOnce = 4;  // of x, that share one pass over a row of W

/// What the rows of W are multiplied with.
struct Inputs {
  const LinearProduct& p;
  const float* x;      ///< of packed weights as OrderRow or SplitRow puts it, else `[rows, in]`
  std::size_t stride;  ///< from row to row of x
  /// Of each group of x, for packed weights only `[rows, PaddedGroups]`: sums; of its digits, what they are
  /// multiplied with.
  const float* sums;
  const float* scales;
  int first;  ///< row of x
  const float* row(int r) const { return x + std::size_t(first + r) * stride; }
};

constexpr std::size_t kLine = 64;  // bytes of the cache, at the least
constexpr int kMostGroups = 8;     // of 32 numbers, that one block of packed words covers

/// Whole vectors, and with what LaneScales may read beyond a row.
int PaddedGroups(const WeightView& w) { return rounded_up(w.groups(), kLanes); }
int FactorsOfRow(const WeightView& w) { return PaddedGroups(w) + kMostGroups; }

constexpr int kBatch = 8;  // rows of W whose scales are widened together, and those of the next ones fetched

/// Scales and biases of some rows of W, `[rows, groups]` and room for reading whole vectors.
struct GroupScales {
  std::vector<float> scales, biases, factors;
  void Widen(const WeightView& w, int first, int rows) {
    const std::size_t groups = std::size_t(w.groups()), from = std::size_t(first) * groups;
    const std::size_t count = std::size_t(rows) * groups;
    for (std::vector<float>* values : {&scales, &biases}) {
      values->resize(count + std::size_t(kLanes + kMostGroups));
      std::fill(values->begin() + std::ptrdiff_t(count), values->end(), 0.0f);
    }
    WidenRow(w.element, w.scales, from, int(count), scales.data());
    WidenRow(w.element, w.biases, from, int(count), biases.data());
    const std::size_t bytes = count * bytes_of(w.element), next = (from + count) * bytes_of(w.element);
    for (std::size_t at = 0; at < bytes; at += kLine) {
      hwy::Prefetch(static_cast<const std::uint8_t*>(w.scales) + next + at);
      hwy::Prefetch(static_cast<const std::uint8_t*>(w.biases) + next + at);
    }
  }
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
template <int kWidth, int kSpan, int kGroup, class D>
HWY_INLINE hn::Vec<D> LaneScales(D d, const float* scales) {
  auto v = hn::Set(d, scales[0]);
  for (int at = kGroup; at < kWidth * kSpan; at += kGroup)
    v = hn::IfThenElse(hn::FirstN(d, std::size_t(at / kSpan)), v, hn::Set(d, scales[at / kGroup]));
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
template <int kBits, int kGroup, int kRows, int kWidth>
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
    const auto scale = LaneScales<kWidth, kValues, kGroup>(d, scales + k / kGroup);
    for (int r = 0; r < kRows; ++r) {
      sums[r] = hn::MulAdd(block[r], scale, sums[r]);
      x[r] += kValues * kWidth;
    }
  }
  for (int r = 0; r < kRows; ++r) out[r] += hn::GetLane(hn::SumOfLanes(d, sums[r]));
  if constexpr (kWidth > 1)
    if (k < w.in) RowBlocks<kBits, kGroup, kRows, kWidth / 2>(w, words, k, scales, inputs, out);
}

#if MLX_VISION_HAS_BYTE_PAIRS

/// As RowBlocks, for x in digits, whose factors hold both scales; adds to vectors of sums.
template <int kBits, int kGroup, int kRows>
HWY_INLINE void DigitBlocks(const WeightView& w, const std::uint8_t* row, const float* factors,
                            const float* const* inputs, VF* sums) {
  using D = Digits<kBits>;
  const DF d;
  const int stride = FactorsOfRow(w);
  const auto add = [&](const V8* numbers, int b) HWY_ATTR {
    for (int r = 0; r < kRows; ++r) {
      const auto* digits = reinterpret_cast<const std::int8_t*>(inputs[r]) + b * D::kDigitBytes;
      const VF factor = LaneScales<kLanes, D::kNumbers / kLanes, kGroup>(
          d, factors + r * stride + b * D::kNumbers / kGroup);
      sums[r] = hn::MulAdd(BlockProducts<kBits>(numbers, digits), factor, sums[r]);
    }
  };
  const int bytes = int(w.row_bytes()), whole = bytes / D::kBytes;
  V8 numbers[D::kPerByte];
#pragma GCC unroll 2
  for (int b = 0; b < whole; ++b) {
    constexpr int kAhead = 2048;  // bytes; rows follow each other, so that this may be the next one
    hwy::Prefetch(row + b * D::kBytes + kAhead);
    SplitNumbers<kBits>(row + b * D::kBytes, numbers);
    add(numbers, b);
  }
  if (const int rest = bytes % D::kBytes; rest > 0) {
    SplitPart<kBits>(row + whole * D::kBytes, rest, numbers);
    add(numbers, whole);
  }
}

#endif

/// Σ a[i]; `count` is a multiple of every vector's lanes.
HWY_INLINE float Sum(const float* a, int count) {
  const DF d;
  VF sum = hn::Zero(d);
  for (int i = 0; i < count; i += kLanes) sum = hn::Add(sum, hn::LoadU(d, a + i));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// `scales` and `biases` of row n; room for kRows times FactorsOfRow.
template <int kBits, int kGroup, int kRows>
HWY_INLINE void PackedRow(const Inputs& in, int n, const float* scales, const float* biases, float* room,
                          float* out) {
  const DF d;
  const WeightView& w = in.p.weight;
  const int groups = PaddedGroups(w);
  const float* x[kRows];
  VF sums[kRows];
  for (int r = 0; r < kRows; ++r) {
    x[r] = in.row(r);
    sums[r] = hn::Zero(d);
    const std::size_t at = std::size_t(in.first + r) * std::size_t(groups);
    [[maybe_unused]] float* products = room + r * FactorsOfRow(w);
    for (int g = 0; g < groups; g += kLanes) {
      sums[r] = hn::MulAdd(hn::LoadU(d, biases + g), hn::LoadU(d, in.sums + at + g), sums[r]);
      if constexpr (kAsBytes<kBits>)
        hn::StoreU(hn::Mul(hn::LoadU(d, scales + g), hn::LoadU(d, in.scales + at + g)), d, products + g);
    }
  }
#if MLX_VISION_HAS_BYTE_PAIRS
  if constexpr (kAsBytes<kBits>) DigitBlocks<kBits, kGroup, kRows>(w, w.row(n), room, x, sums);
#endif
  for (int r = 0; r < kRows; ++r) out[r] = hn::GetLane(hn::SumOfLanes(d, sums[r]));
  if constexpr (!kAsBytes<kBits>)
    RowBlocks<kBits, kGroup, kRows, kLanes>(w, reinterpret_cast<const std::uint32_t*>(w.row(n)), 0, scales, x,
                                            out);
}

template <Element kElement, int kRows>
HWY_INLINE void DenseRow(const Inputs& in, int n, float* out) {
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
      const auto at = std::size_t(k) + std::size_t(c) * kLanes;
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

/// kRows rows of x by output n.
template <int kRows>
HWY_INLINE void Store(const Inputs& in, int n, const float* out) {
  const LinearProduct& p = in.p;
  for (int r = 0; r < kRows; ++r)
    p.y[std::size_t(in.first + r) * std::size_t(p.weight.out) + std::size_t(n)] =
        out[r] + (p.bias ? p.bias[n] : 0);
}

/// Outputs begin … end - 1 of kRows rows of x.
using MultiplyRows = void (*)(const Inputs& in, int begin, int end);

template <int kBits, int kGroup, int kRows>
void PackedRows(const Inputs& in, int begin, int end) {
  thread_local GroupScales held;
  GroupScales& groups = held;  // looked up once
  const WeightView& w = in.p.weight;
  groups.factors.assign(std::size_t(kRows) * std::size_t(FactorsOfRow(w)), 0.0f);
  float out[kRows];
  for (int first = begin; first < end; first += kBatch) {
    const int rows = std::min(kBatch, end - first);
    groups.Widen(w, first, rows);
    for (int i = 0; i < rows; ++i) {
      const std::size_t at = std::size_t(i) * std::size_t(w.groups());
      PackedRow<kBits, kGroup, kRows>(in, first + i, groups.scales.data() + at, groups.biases.data() + at,
                                      groups.factors.data(), out);
      Store<kRows>(in, first + i, out);
    }
  }
}

template <Element kElement, int kRows>
void DenseRows(const Inputs& in, int begin, int end) {
  float out[kRows];
  for (int n = begin; n < end; ++n) {
    DenseRow<kElement, kRows>(in, n, out);
    Store<kRows>(in, n, out);
  }
}

template <int kBits>
using Bits = std::integral_constant<int, kBits>;

/// work(Bits<bits>()) where few rows of such numbers are multiplied here, otherwise what a Result begins
/// with.
template <class Result, class Work>
Result ForBits(int bits, const Work& work) {
  const auto there = [&](auto of) {
    constexpr int kBits = decltype(of)::value;
    if constexpr (kAsBytes<kBits> || 32 % kBits == 0)
      return work(of);
    else
      return Result();
  };
  switch (bits) {
    case 2:
      return there(Bits<2>());
    case 3:
      return there(Bits<3>());
    case 4:
      return there(Bits<4>());
    case 5:
      return there(Bits<5>());
    case 6:
      return there(Bits<6>());
    case 8:
      return there(Bits<8>());
    default:
      return Result();
  }
}

template <int kBits, int kRows>
MultiplyRows PackedWay(int group) {
  return group == 32   ? PackedRows<kBits, 32, kRows>
         : group == 64 ? PackedRows<kBits, 64, kRows>
                       : PackedRows<kBits, 128, kRows>;
}

template <int kRows>
MultiplyRows WayOf(const WeightView& w) {
  if (w.packed())
    return ForBits<MultiplyRows>(w.bits,
                                 [&](auto of) { return PackedWay<decltype(of)::value, kRows>(w.group); });
  switch (w.element) {
    case Element::float32:
      return DenseRows<Element::float32, kRows>;
    case Element::bfloat16:
      return DenseRows<Element::bfloat16, kRows>;
    default:
      return DenseRows<Element::float16, kRows>;
  }
}

MultiplyRows WayOf(const WeightView& w, int rows) {
  switch (rows) {
    case 1:
      return WayOf<1>(w);
    case 2:
      return WayOf<2>(w);
    case 3:
      return WayOf<3>(w);
    default:
      return WayOf<4>(w);
  }
}

constexpr std::size_t kLineFloats = kLine / sizeof(float);

/// Whole lines of the cache, so that every row begins with one.
template <int kBits>
std::size_t PreparedFloats(int in) {
  using D = Digits<kBits>;
  const std::size_t floats =
      kAsBytes<kBits> ? std::size_t(D::Blocks(in)) * D::kDigitBytes / sizeof(float) : std::size_t(in);
  return (floats + kLineFloats - 1) / kLineFloats * kLineFloats;
}

/// Fills the workspace and returns what it then holds.
template <int kBits>
Inputs Prepare(const LinearProduct& p, float* workspace) {
  const WeightView& w = p.weight;
  const std::size_t stride = PreparedFloats<kBits>(w.in), groups = std::size_t(PaddedGroups(w));
  float* sums = workspace + std::size_t(p.rows) * stride;
  float* scales = sums + std::size_t(p.rows) * groups;
  std::fill_n(sums, 2 * std::size_t(p.rows) * groups, 0.0f);
  for (int r = 0; r < p.rows; ++r) {
    const float* from = p.x + std::size_t(r) * std::size_t(w.in);
    float* to = workspace + std::size_t(r) * stride;
    const std::size_t at = std::size_t(r) * groups;
    if constexpr (kAsBytes<kBits>)
      SplitRow<kBits>(from, w.in, w.group, reinterpret_cast<std::int8_t*>(to), scales + at);
    else
      OrderRow<kBits, kLanes>(from, w.in * kBits / 32, to);
    for (int g = 0; g < w.groups(); ++g) sums[at + std::size_t(g)] = Sum(from + g * w.group, w.group);
  }
  return {p, workspace, stride, sums, scales, 0};
}

Inputs PrepareInputs(const LinearProduct& p, float* workspace) {
  if (!p.weight.packed()) return {p, p.x, std::size_t(p.weight.in), nullptr, nullptr, 0};
  using Held = std::optional<Inputs>;
  return *ForBits<Held>(p.weight.bits,
                        [&](auto of) { return Held(Prepare<decltype(of)::value>(p, workspace)); });
}

}  // namespace

bool HasFewRows(int bits) {
  return bits == 0 || ForBits<bool>(bits, [](auto) { return true; });
}

void FewRows(const LinearProduct& p, float* workspace) {
  const WeightView& w = p.weight;
  // MLX's arrays begin behind a line's start, and vectors that lie in two lines take two reads.
  const std::size_t behind = reinterpret_cast<std::uintptr_t>(workspace) / sizeof(float) % kLineFloats;
  const Inputs in = PrepareInputs(p, workspace + (kLineFloats - behind) % kLineFloats);
  // Large enough that handing it out does not show, and a multiple of a cache line of results.
  constexpr std::size_t kTaskBytes = 64 << 10;
  const int step = int(std::clamp<std::size_t>(kTaskBytes / w.row_bytes() / 16 * 16, 16, 4096));
  core::ThreadPool::shared().run((w.out + step - 1) / step, [&](int task) {
    Inputs part = in;
    for (; part.first < p.rows; part.first += kRowsAtOnce)
      WayOf(w, std::min(kRowsAtOnce, p.rows - part.first))(part, task * step,
                                                           std::min(w.out, (task + 1) * step));
  });
}

}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mlx_vision::kernels {

HWY_EXPORT(HasFewRows);
HWY_EXPORT(FewRows);

bool has_few_rows(const WeightView& weight) { return HWY_DYNAMIC_DISPATCH(HasFewRows)(weight.bits); }

void few_rows(const LinearProduct& product, float* workspace) {
  HWY_DYNAMIC_DISPATCH(FewRows)(product, workspace);
}

}  // namespace mlx_vision::kernels
#endif  // HWY_ONCE
// NOLINTEND(readability-identifier-naming)
