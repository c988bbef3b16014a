#include "kernels/rowwise.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"

// This file is compiled once for each instruction set; the one in use is chosen when it first runs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rowwise.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>
// After both.
#include <hwy/contrib/math/math-inl.h>

#include "kernels/widen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {

constexpr std::size_t kTaskValues = 16 << 10;  // enough work that handing it out does not show

template <class D>
HWY_INLINE hn::Vec<D> Sigmoid(D d, hn::Vec<D> x) {
  // Beyond 88 exp would overflow; the result is 0 to any precision.
  const auto e = hn::Exp(d, hn::Min(hn::Neg(x), hn::Set(d, 88.0f)));
  const auto one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, e));
}

/// Rational minimax approximation on [-4, 4] as Eigen and XLA use it, within 4 units in the last place.
template <class D>
HWY_INLINE hn::Vec<D> Erf(D d, hn::Vec<D> x) {
  constexpr float kOver[] = {-2.72614225801306e-10f, 2.77068142495902e-08f,  -2.10102402082508e-06f,
                             -5.69250639462346e-05f, -7.34990630326855e-04f, -2.95459980854025e-03f,
                             -1.60960333262415e-02f};
  constexpr float kUnder[] = {-1.45660718464996e-05f, -2.13374055278905e-04f, -1.68282697438203e-03f,
                              -7.37332916720468e-03f, -1.42647390514189e-02f};
  x = hn::Clamp(x, hn::Set(d, -4.0f), hn::Set(d, 4.0f));
  const auto square = hn::Mul(x, x);
  auto over = hn::Set(d, kOver[0]), under = hn::Set(d, kUnder[0]);
  for (std::size_t i = 1; i < std::size(kOver); ++i) over = hn::MulAdd(over, square, hn::Set(d, kOver[i]));
  for (std::size_t i = 1; i < std::size(kUnder); ++i)
    under = hn::MulAdd(under, square, hn::Set(d, kUnder[i]));
  return hn::Div(hn::Mul(x, over), under);
}

template <Activation kKind, class D>
HWY_INLINE hn::Vec<D> Activated(D d, hn::Vec<D> x) {
  if constexpr (kKind == Activation::silu) {
    return hn::Mul(x, Sigmoid(d, x));
  } else if constexpr (kKind == Activation::quick_gelu) {
    return hn::Mul(x, Sigmoid(d, hn::Mul(x, hn::Set(d, 1.702f))));
  } else if constexpr (kKind == Activation::gelu_tanh) {
    // (1 + tanh u) / 2 = σ(2 u)
    constexpr float kTwice = 1.5957691216f;  // 2 sqrt(2 / π)
    const auto cubic = hn::MulAdd(hn::Mul(hn::Set(d, 0.044715f), hn::Mul(x, x)), x, x);
    return hn::Mul(x, Sigmoid(d, hn::Mul(cubic, hn::Set(d, kTwice))));
  } else {
    const auto half = hn::Mul(x, hn::Set(d, 0.5f));
    return hn::MulAdd(half, Erf(d, hn::Mul(x, hn::Set(d, 0.70710678f))), half);
  }
}

template <Activation kKind>
void ActivateSpan(const float* x, const float* factor, std::size_t count, float* y) {
  const auto at = [&](auto d, std::size_t i) HWY_ATTR {
    auto value = Activated<kKind>(d, hn::LoadU(d, x + i));
    if (factor) value = hn::Mul(value, hn::LoadU(d, factor + i));
    hn::StoreU(value, d, y + i);
  };
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) at(DF(), i);
  for (; i < count; ++i) at(hn::CappedTag<float, 1>(), i);
}

/// Calls step(tag, i) for vectors and then single values of a row; sums what they return.
template <class Step>
HWY_INLINE float SumRow(int width, const Step& step) {
  const DF d;
  VF sum0 = hn::Zero(d), sum1 = hn::Zero(d);
  int i = 0;
  for (; i + 2 * kLanes <= width; i += 2 * kLanes) {
    sum0 = hn::Add(sum0, step(d, i));
    sum1 = hn::Add(sum1, step(d, i + kLanes));
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
  const hn::CappedTag<float, 1> one;
  for (; i < width; ++i) sum += hn::GetLane(step(one, i));
  return sum;
}

void NormRow(const NormRows& n, const float* x, float* y) {
  const float size = float(n.width);
  float mean = 0;
  if (n.bias) mean = SumRow(n.width, [&](auto d, int i) HWY_ATTR { return hn::LoadU(d, x + i); }) / size;
  const float square = SumRow(n.width, [&](auto d, int i) HWY_ATTR {
    const auto centred = hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean));
    return hn::Mul(centred, centred);
  });
  const float scale = 1 / std::sqrt(square / size + n.eps);
  const auto at = [&](auto d, int i) HWY_ATTR {
    const auto centred = hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean));
    auto value = hn::Mul(hn::Mul(centred, hn::Set(d, scale)), hn::LoadU(d, n.weight + i));
    if (n.bias) value = hn::Add(value, hn::LoadU(d, n.bias + i));
    hn::StoreU(value, d, y + i);
  };
  int i = 0;
  for (; i + kLanes <= n.width; i += kLanes) at(DF(), i);
  for (; i < n.width; ++i) at(hn::CappedTag<float, 1>(), i);
}

void RotateRow(const float* x, const float* cos, const float* sin, int half, float* y) {
  const auto at = [&](auto d, int i) HWY_ATTR {
    const auto low = hn::LoadU(d, x + i), high = hn::LoadU(d, x + half + i);
    const auto first = hn::NegMulAdd(high, hn::LoadU(d, sin + i), hn::Mul(low, hn::LoadU(d, cos + i)));
    const auto second =
        hn::MulAdd(low, hn::LoadU(d, sin + half + i), hn::Mul(high, hn::LoadU(d, cos + half + i)));
    hn::StoreU(first, d, y + i);
    hn::StoreU(second, d, y + half + i);
  };
  int i = 0;
  for (; i + kLanes <= half; i += kLanes) at(DF(), i);
  for (; i < half; ++i) at(hn::CappedTag<float, 1>(), i);
}

/// Rows of `width` values in tasks of about kTaskValues.
template <class Row>
void ForRows(std::int64_t rows, int width, const Row& row) {
  const std::int64_t step = std::max<std::int64_t>(1, std::int64_t(kTaskValues) / std::max(1, width));
  core::ThreadPool::shared().run(int((rows + step - 1) / step), [&](int task) {
    for (std::int64_t r = task * step; r < std::min(rows, (task + 1) * step); ++r) row(r);
  });
}

}  // namespace

void ActivateValues(Activation kind, const float* x, const float* factor, std::size_t count, float* y) {
  const auto span = kind == Activation::silu         ? ActivateSpan<Activation::silu>
                    : kind == Activation::quick_gelu ? ActivateSpan<Activation::quick_gelu>
                    : kind == Activation::gelu_tanh  ? ActivateSpan<Activation::gelu_tanh>
                                                     : ActivateSpan<Activation::gelu>;
  core::ThreadPool::shared().run(int((count + kTaskValues - 1) / kTaskValues), [&](int task) {
    const std::size_t first = std::size_t(task) * kTaskValues;
    span(x + first, factor ? factor + first : nullptr, std::min(kTaskValues, count - first), y + first);
  });
}

void NormaliseRows(const NormRows& n) {
  ForRows(n.rows, n.width, [&](std::int64_t r) { NormRow(n, n.x + r * n.width, n.y + r * n.width); });
}

void RotateHeadsOf(const RotateHeads& t) {
  const std::int64_t rows = std::int64_t(t.batch) * t.heads * t.length;
  ForRows(rows, t.d, [&](std::int64_t r) {
    const std::int64_t i = r % t.length, h = r / t.length % t.heads, b = r / t.length / t.heads;
    const std::ptrdiff_t table = b * t.table_batch + i * t.d;
    RotateRow(t.x + b * t.batch_stride + h * t.head_stride + i * t.row_stride, t.cos + table, t.sin + table,
              t.d / 2, t.y + r * t.d);
  });
}

}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mlx_vision::kernels {

HWY_EXPORT(ActivateValues);
HWY_EXPORT(NormaliseRows);
HWY_EXPORT(RotateHeadsOf);

void activate_values(Activation kind, const float* x, const float* factor, std::size_t count, float* y) {
  HWY_DYNAMIC_DISPATCH(ActivateValues)(kind, x, factor, count, y);
}

void normalise_rows(const NormRows& norm) { HWY_DYNAMIC_DISPATCH(NormaliseRows)(norm); }

void rotate_heads(const RotateHeads& rotate) { HWY_DYNAMIC_DISPATCH(RotateHeadsOf)(rotate); }

}  // namespace mlx_vision::kernels
#endif  // HWY_ONCE
// NOLINTEND(readability-identifier-naming)
