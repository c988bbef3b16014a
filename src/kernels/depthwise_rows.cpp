#include "kernels/depthwise_rows.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

#include <algorithm>
#include <cstdint>

#include "core/thread_pool.h"

// This file is compiled once for each instruction set; the one in use is chosen when it first runs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_rows.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>
// After both.
#include "kernels/widen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {

/// The taps that meet the picture at one place of an axis.
struct Reach {
  int first, last;  ///< taps first … last - 1
  int from;         ///< place of the first of them
};

Reach ReachOf(int result, int stride, int before, int kernel, int size) {
  const int start = result * stride - before;
  const int first = std::max(0, -start), last = std::min(kernel, size - start);
  return {first, std::max(first, last), start + first};
}

/// One result: the taps that it takes, the picture that it is of, and its channels.
struct Place {
  Reach rows, columns;
  const float* picture;
  float* out;
};

/// kVectors vectors of its channels, from `c` on.
template <int kVectors, class D>
HWY_INLINE void Channels(D d, const DepthwiseRows& s, const Place& at, std::int64_t c) {
  const auto& [rows, columns, picture, out] = at;
  const std::int64_t step = std::int64_t(hn::Lanes(d)), channels = s.channels;
  hn::Vec<D> sums[kVectors];
  for (int v = 0; v < kVectors; ++v) sums[v] = s.bias ? hn::LoadU(d, s.bias + c + v * step) : hn::Zero(d);
  for (int ky = rows.first; ky < rows.last; ++ky) {
    const std::int64_t line = std::int64_t(rows.from + ky - rows.first) * s.width + columns.from;
    const float* x = picture + line * channels + c;
    const float* tap = s.taps + (std::int64_t(ky) * s.kernel + columns.first) * channels + c;
    for (int kx = columns.first; kx < columns.last; ++kx, x += channels, tap += channels)
      for (int v = 0; v < kVectors; ++v)
        sums[v] = hn::MulAdd(hn::LoadU(d, x + v * step), hn::LoadU(d, tap + v * step), sums[v]);
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(sums[v], d, out + c + v * step);
}

void Row(const DepthwiseRows& s, std::int64_t row) {
  const DF d;
  const hn::CappedTag<float, 1> one;
  const auto rows = ReachOf(int(row % s.out_height), s.stride, s.top, s.kernel, s.height);
  const float* picture = s.x + row / s.out_height * s.height * s.width * s.channels;
  for (int j = 0; j < s.out_width; ++j) {
    const auto columns = ReachOf(j, s.stride, s.left, s.kernel, s.width);
    const Place at{rows, columns, picture, s.y + (row * s.out_width + j) * s.channels};
    std::int64_t c = 0;
    for (; c + 4 * kLanes <= s.channels; c += 4 * kLanes) Channels<4>(d, s, at, c);
    for (; c + kLanes <= s.channels; c += kLanes) Channels<1>(d, s, at, c);
    for (; c < s.channels; ++c) Channels<1>(one, s, at, c);
  }
}

}  // namespace

void DepthwiseRowsOf(const DepthwiseRows& s) {
  core::ThreadPool::shared().run(s.n * s.out_height, [&](int row) { Row(s, row); });
}

}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mlx_vision::kernels {

HWY_EXPORT(DepthwiseRowsOf);

void depthwise_rows(const DepthwiseRows& conv) { HWY_DYNAMIC_DISPATCH(DepthwiseRowsOf)(conv); }

}  // namespace mlx_vision::kernels
#endif  // HWY_ONCE
// NOLINTEND(readability-identifier-naming)
