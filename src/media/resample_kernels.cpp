#include "media/resample_kernels.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

#include <algorithm>
#include <cstring>

#include "mlx_vision/error.h"

// This file is compiled once for each instruction set; the one in use is chosen when it first runs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "media/resample_kernels.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::media::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

/// For machines without vectors that the kernel could use.
void ColumnsOf(const ColumnWeights& columns, const std::uint8_t* const* rows, std::uint8_t* const* out,
               int row_count) {
  const std::uint32_t half = columns.precision > 0 ? 1u << (columns.precision - 1) : 0;
  for (int r = 0; r < row_count; ++r)
    for (std::size_t i = 0; i < std::size_t(columns.out) * 3; ++i) {
      const std::size_t x = i / 3;
      const std::uint8_t* in = rows[r] + std::size_t(columns.start[x]) * 3 + i % 3;
      const std::int16_t* weights = columns.weights.data() + x * columns.pitch * 2 * ColumnWeights::kTaps;
      std::uint32_t sum = half;
      for (int j = 0; j < columns.groups[x] * ColumnWeights::kTaps; ++j, in += 3) {
        const int at = j / ColumnWeights::kTaps * 2 * ColumnWeights::kTaps + j % ColumnWeights::kTaps;
        const int high = weights[at + ColumnWeights::kTaps];
        sum += std::uint32_t((high << ColumnWeights::kLowBits) + weights[at]) * *in;
      }
      out[r][i] = std::uint8_t(std::clamp(std::int32_t(sum) >> columns.precision, 0, 255));
    }
}

#else

// Two taps of three channels fill a block of 16 bytes; wider vectors hold two blocks, so that one load of 16
// bytes serves four taps.
#if HWY_MAX_BYTES >= 32
constexpr std::size_t kBlocks = 2;
#else
constexpr std::size_t kBlocks = 1;
#endif
constexpr std::size_t kParts = 2 / kBlocks;
using DByte = hn::FixedTag<std::uint8_t, 16 * kBlocks>;
using DHalf = hn::FixedTag<std::int16_t, 8 * kBlocks>;
using DWord = hn::FixedTag<std::int32_t, 4 * kBlocks>;
using DPixel = hn::FixedTag<std::int32_t, 4>;
using VWord = hn::Vec<DWord>;

/// For each pair of taps the byte order r r g g b b - -, widened to 16 bits; 128 gives zero.
HWY_ALIGN constexpr std::uint8_t kPixelOrder[32] = {0,   128, 3,   128, 1,   128, 4,   128, 2,   128, 5,
                                                    128, 128, 128, 128, 128, 6,   128, 9,   128, 7,   128,
                                                    10,  128, 8,   128, 11,  128, 128, 128, 128, 128};
/// Repeats a pair of low weights over a block; the high ones lie 8 bytes further.
HWY_ALIGN constexpr std::uint8_t kWeightOrder[32] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
                                                     4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7};

struct Sums {
  VWord low0, low1, high0, high1;
};

HWY_INLINE hn::Vec<DPixel> FoldBlocks(VWord sum) {
#if HWY_MAX_BYTES >= 32
  const hn::Half<DWord> half;
  return hn::Add(hn::LowerHalf(half, sum), hn::UpperHalf(half, sum));
#else
  return sum;
#endif
}

/// The pixel in the lower three bytes.
HWY_INLINE hn::Vec<hn::Rebind<std::uint8_t, DPixel> > ToPixel(const Sums& s, int precision) {
  const DPixel d;
  const VWord high = hn::ShiftLeft<ColumnWeights::kLowBits>(hn::RearrangeToOddPlusEven(s.high0, s.high1));
  const VWord sum = hn::Add(hn::RearrangeToOddPlusEven(s.low0, s.low1), high);
  const auto half = hn::Set(d, precision > 0 ? 1 << (precision - 1) : 0);
  const auto shifted = hn::ShiftRightSame(hn::Add(FoldBlocks(sum), half), precision);
  return hn::DemoteTo(hn::Rebind<std::uint8_t, DPixel>(), shifted);
}

template <int kRows>
HWY_INLINE void AddGroup(const std::uint8_t* const* pixels, const std::int16_t* weights,
                         Sums (&sums)[kRows]) {
  const DByte d8;
  const DHalf d16;
  const DWord d32;
  const auto packed = hn::LoadDup128(d8, reinterpret_cast<const std::uint8_t*>(weights));
  for (std::size_t part = 0; part < kParts; ++part) {
    const auto order = hn::Load(d8, kWeightOrder + 16 * part);
    const auto pixel_order = hn::Load(d8, kPixelOrder + 16 * part);
    const auto low = hn::BitCast(d16, hn::TableLookupBytes(packed, order));
    const auto high = hn::BitCast(d16, hn::TableLookupBytes(packed, hn::Add(order, hn::Set(d8, 8))));
    for (int r = 0; r < kRows; ++r) {
      const auto bytes = hn::LoadDup128(d8, pixels[r]);
      const auto taps = hn::BitCast(d16, hn::TableLookupBytesOr0(bytes, pixel_order));
      sums[r].low0 = hn::ReorderWidenMulAccumulate(d32, taps, low, sums[r].low0, sums[r].low1);
      sums[r].high0 = hn::ReorderWidenMulAccumulate(d32, taps, high, sums[r].high0, sums[r].high1);
    }
  }
}

template <int kRows>
HWY_INLINE void Columns(const ColumnWeights& columns, const std::uint8_t* const* rows,
                        std::uint8_t* const* out) {
  const DWord d32;
  const hn::Rebind<std::uint8_t, DPixel> d_pixel;
  const std::size_t width = std::size_t(columns.out);
  for (std::size_t x = 0; x < width; ++x) {
    const std::int16_t* weights = columns.weights.data() + x * columns.pitch * 2 * ColumnWeights::kTaps;
    const std::uint8_t* pixels[kRows];
    Sums sums[kRows];
    for (int r = 0; r < kRows; ++r) {
      pixels[r] = rows[r] + std::size_t(columns.start[x]) * 3;
      sums[r].low0 = sums[r].low1 = sums[r].high0 = sums[r].high1 = hn::Zero(d32);
    }
    for (int g = 0; g < columns.groups[x]; ++g) {
      AddGroup<kRows>(pixels, weights, sums);
      weights += 2 * ColumnWeights::kTaps;
      for (int r = 0; r < kRows; ++r) pixels[r] += 3 * ColumnWeights::kTaps;
    }
    for (int r = 0; r < kRows; ++r) {
      const auto pixel = ToPixel(sums[r], columns.precision);
      std::uint8_t* to = out[r] + 3 * x;
      if (x + 1 < width) {
        hn::StoreU(pixel, d_pixel, to);  // the fourth byte is overwritten by the next pixel
      } else {
        HWY_ALIGN std::uint8_t last[4];
        hn::StoreU(pixel, d_pixel, last);
        std::memcpy(to, last, 3);
      }
    }
  }
}

void ColumnsOf(const ColumnWeights& columns, const std::uint8_t* const* rows, std::uint8_t* const* out,
               int row_count) {
  switch (row_count) {
    case 4:
      return Columns<4>(columns, rows, out);
    case 3:
      return Columns<3>(columns, rows, out);
    case 2:
      return Columns<2>(columns, rows, out);
    default:
      return Columns<1>(columns, rows, out);
  }
}

#endif  // HWY_TARGET == HWY_SCALAR

/// The arguments of resample_rows.
struct RowWindow {
  const std::uint8_t* const* rows;
  const std::int32_t* weights;
  int count, precision;
};

/// `kVectors` vectors of bytes from `i` on.
template <std::size_t kVectors, class D>
HWY_INLINE void RowBlock(D d, const RowWindow& window, std::size_t i, std::uint8_t* out) {
  const hn::Rebind<std::uint8_t, D> d8;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<D> sums[kVectors];
  for (auto& sum : sums) sum = hn::Set(d, window.precision > 0 ? 1 << (window.precision - 1) : 0);
  for (int j = 0; j < window.count; ++j) {
    const auto weight = hn::Set(d, window.weights[j]);
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto bytes = hn::PromoteTo(d, hn::LoadU(d8, window.rows[j] + i + v * lanes));
      sums[v] = hn::Add(sums[v], hn::Mul(bytes, weight));
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v)
    hn::StoreU(hn::DemoteTo(d8, hn::ShiftRightSame(sums[v], window.precision)), d8, out + i + v * lanes);
}

void RowsOf(const std::uint8_t* const* rows, const std::int32_t* weights, int count, int precision,
            std::size_t bytes, std::uint8_t* out) {
  const hn::CappedTag<std::int32_t, 16> d;
  const std::size_t lanes = hn::Lanes(d);
  const RowWindow window{rows, weights, count, precision};
  std::size_t i = 0;
  for (; i + 4 * lanes <= bytes; i += 4 * lanes) RowBlock<4>(d, window, i, out);
  for (; i + lanes <= bytes; i += lanes) RowBlock<1>(d, window, i, out);
  const hn::CappedTag<std::int32_t, 1> one;
  for (; i < bytes; ++i) RowBlock<1>(one, window, i, out);
}

}  // namespace mlx_vision::media::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mlx_vision::media {

HWY_EXPORT(ColumnsOf);
HWY_EXPORT(RowsOf);

ColumnWeights::ColumnWeights(const ResampleAxis& axis)
    : out(axis.out), precision(axis.precision), start(axis.start) {
  pitch = (std::size_t(axis.taps) + kTaps - 1) / kTaps;
  groups.reserve(start.size());
  weights.resize(start.size() * pitch * 2 * kTaps);
  for (std::size_t x = 0; x < start.size(); ++x) {
    groups.push_back((axis.count[x] + kTaps - 1) / kTaps);
    const std::int32_t* from = axis.weights_of(int(x));
    std::int16_t* to = weights.data() + x * pitch * 2 * kTaps;
    for (int j = 0; j < axis.count[x]; ++j) {
      const std::int32_t high = from[j] >> kLowBits;
      if (high != std::int16_t(high)) throw MediaError("image: a weight of this resize is out of range");
      to[j / kTaps * 2 * kTaps + j % kTaps] = std::int16_t(from[j] & ((1 << kLowBits) - 1));
      to[j / kTaps * 2 * kTaps + j % kTaps + kTaps] = std::int16_t(high);
    }
  }
}

void resample_columns(const ColumnWeights& columns, const std::uint8_t* const* rows, std::uint8_t* const* out,
                      int row_count) {
  HWY_DYNAMIC_DISPATCH(ColumnsOf)(columns, rows, out, row_count);
}

void resample_rows(const std::uint8_t* const* rows, const std::int32_t* weights, int count, int precision,
                   std::size_t bytes, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(RowsOf)(rows, weights, count, precision, bytes, out);
}

}  // namespace mlx_vision::media
#endif  // HWY_ONCE
// NOLINTEND(readability-identifier-naming)
