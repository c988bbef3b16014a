#include "media/jpeg_kernels.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

#include <algorithm>
#include <cstring>

// This file is compiled once for each instruction set; the one in use is chosen when it first runs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "media/jpeg_kernels.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::media::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

// Such machines leave everything to libjpeg.
bool Available() { return false; }
void InverseDct(const std::int16_t*, std::size_t, const QuantTable&, std::uint8_t*, std::size_t) {}
void YccToRgb(const YccRow&, ChromaSampling, std::size_t, std::uint8_t*) {}

#else

bool Available() { return true; }

// ---- Inverse DCT: the integer method of jidctint.c, factored as in libjpeg-turbo's x86 code, whose 16-bit
// sums and saturation decide what damaged files look like.

// A row of a block is a vector of 128 bits. Wider vectors hold that row of several blocks: on x86 everything
// below works within 128 bits.
#if HWY_ARCH_X86 && HWY_MAX_BYTES >= 32
constexpr std::size_t kMostBlocks = 2;
#else
constexpr std::size_t kMostBlocks = 1;
#endif

template <std::size_t kBlocks>
struct Tags {
  using Short = hn::FixedTag<std::int16_t, kBlockSide * kBlocks>;
  using Long = hn::RepartitionToWide<Short>;
};
template <std::size_t kBlocks>
using VShort = hn::Vec<typename Tags<kBlocks>::Short>;
template <std::size_t kBlocks>
using VLong = hn::Vec<typename Tags<kBlocks>::Long>;

constexpr int kConstBits = 13, kPass1Bits = 2;

/// Multiples of 2^13, as jidctint.c rounds them.
constexpr int k0_298 = 2446, k0_390 = 3196, k0_541 = 4433, k0_765 = 6270, k0_899 = 7373, k1_175 = 9633,
              k1_501 = 12299, k1_847 = 15137, k1_961 = 16069, k2_053 = 16819, k2_562 = 20995, k3_072 = 25172;

/// 32-bit values of both halves of a row.
template <std::size_t kBlocks>
struct Wide {
  VLong<kBlocks> low, high;
};

template <std::size_t kBlocks>
HWY_INLINE Wide<kBlocks> operator+(const Wide<kBlocks>& a, const Wide<kBlocks>& b) {
  return {hn::Add(a.low, b.low), hn::Add(a.high, b.high)};
}
template <std::size_t kBlocks>
HWY_INLINE Wide<kBlocks> operator-(const Wide<kBlocks>& a, const Wide<kBlocks>& b) {
  return {hn::Sub(a.low, b.low), hn::Sub(a.high, b.high)};
}

template <std::size_t kBlocks>
struct Pairs {
  VShort<kBlocks> low, high;
};

template <std::size_t kBlocks>
HWY_INLINE Pairs<kBlocks> Zip(VShort<kBlocks> a, VShort<kBlocks> b) {
  const typename Tags<kBlocks>::Short d;
  return {hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b)};
}

/// a * `first` + b * `second` of the pairs (a, b).
template <int first, int second, std::size_t kBlocks>
HWY_INLINE Wide<kBlocks> Rotate(const Pairs<kBlocks>& pairs) {
  const typename Tags<kBlocks>::Short d16;
  const typename Tags<kBlocks>::Long d32;
  static_assert(first == std::int16_t(first) && second == std::int16_t(second));
  const auto factors =
      hn::BitCast(d16, hn::Set(d32, std::int32_t(std::uint32_t(second) << 16 | std::uint16_t(first))));
  const auto sum = [&](VShort<kBlocks> values) {
    auto odd = hn::Zero(d32);
    const auto even = hn::ReorderWidenMulAccumulate(d32, values, factors, hn::Zero(d32), odd);
    return hn::RearrangeToOddPlusEven(even, odd);
  };
  return {sum(pairs.low), sum(pairs.high)};
}

/// value * 2^13, from 16 bits to 32.
template <std::size_t kBlocks>
HWY_INLINE Wide<kBlocks> Widen(VShort<kBlocks> value) {
  const typename Tags<kBlocks>::Long d32;
  const auto pairs = Zip<kBlocks>(hn::Zero(typename Tags<kBlocks>::Short()), value);
  return {hn::ShiftRight<16 - kConstBits>(hn::BitCast(d32, pairs.low)),
          hn::ShiftRight<16 - kConstBits>(hn::BitCast(d32, pairs.high))};
}

template <int kShift, std::size_t kBlocks>
HWY_INLINE VShort<kBlocks> Descale(const Wide<kBlocks>& value) {
  const auto half = hn::Set(typename Tags<kBlocks>::Long(), 1 << (kShift - 1));
  return hn::ReorderDemote2To(typename Tags<kBlocks>::Short(),
                              hn::ShiftRight<kShift>(hn::Add(value.low, half)),
                              hn::ShiftRight<kShift>(hn::Add(value.high, half)));
}

/// One dimension, for each lane.
template <int kShift, std::size_t kBlocks>
HWY_INLINE void Pass(VShort<kBlocks> (&v)[kBlockSide]) {
  const auto even = Zip<kBlocks>(v[2], v[6]);
  const auto sum = Widen<kBlocks>(hn::Add(v[0], v[4])), difference = Widen<kBlocks>(hn::Sub(v[0], v[4]));
  const auto even2 = Rotate<k0_541, k0_541 - k1_847>(even), even3 = Rotate<k0_541 + k0_765, k0_541>(even);
  const Wide<kBlocks> inner[4] = {sum + even3, difference + even2, difference - even2, sum - even3};

  const auto both = Zip<kBlocks>(hn::Add(v[7], v[3]), hn::Add(v[5], v[1]));
  const auto z3 = Rotate<k1_175 - k1_961, k1_175>(both), z4 = Rotate<k1_175, k1_175 - k0_390>(both);
  const auto odd71 = Zip<kBlocks>(v[7], v[1]), odd53 = Zip<kBlocks>(v[5], v[3]);
  const Wide<kBlocks> outer[4] = {
      Rotate<-k0_899, k1_501 - k0_899>(odd71) + z4, Rotate<-k2_562, k3_072 - k2_562>(odd53) + z3,
      Rotate<k2_053 - k2_562, -k2_562>(odd53) + z4, Rotate<k0_298 - k0_899, -k0_899>(odd71) + z3};
  for (std::size_t i = 0; i < 4; ++i) {
    v[i] = Descale<kShift, kBlocks>(inner[i] + outer[i]);
    v[7 - i] = Descale<kShift, kBlocks>(inner[i] - outer[i]);
  }
}

/// Each block by itself.
template <std::size_t kBlocks>
HWY_INLINE void Transpose(VShort<kBlocks> (&v)[kBlockSide]) {
  const typename Tags<kBlocks>::Short d16;
  const typename Tags<kBlocks>::Long d32;
  const hn::RepartitionToWide<typename Tags<kBlocks>::Long> d64;
  hn::Vec<decltype(d32)> pairs[kBlockSide];
  for (std::size_t i = 0; i < 4; ++i) {
    const auto zipped = Zip<kBlocks>(v[2 * i], v[2 * i + 1]);
    pairs[i] = hn::BitCast(d32, zipped.low);
    pairs[i + 4] = hn::BitCast(d32, zipped.high);
  }
  for (std::size_t half = 0; half < 8; half += 4) {
    const auto p0 = pairs[half], p1 = pairs[half + 1], p2 = pairs[half + 2], p3 = pairs[half + 3];
    const auto top01 = hn::BitCast(d64, hn::InterleaveLower(d32, p0, p1));
    const auto top23 = hn::BitCast(d64, hn::InterleaveUpper(d32, p0, p1));
    const auto bottom01 = hn::BitCast(d64, hn::InterleaveLower(d32, p2, p3));
    const auto bottom23 = hn::BitCast(d64, hn::InterleaveUpper(d32, p2, p3));
    v[half] = hn::BitCast(d16, hn::InterleaveLower(d64, top01, bottom01));
    v[half + 1] = hn::BitCast(d16, hn::InterleaveUpper(d64, top01, bottom01));
    v[half + 2] = hn::BitCast(d16, hn::InterleaveLower(d64, top23, bottom23));
    v[half + 3] = hn::BitCast(d16, hn::InterleaveUpper(d64, top23, bottom23));
  }
}

/// Blocks of which only the first row is not zero skip the first pass, which cannot saturate then.
template <std::size_t kBlocks>
HWY_INLINE void FirstPass(VShort<kBlocks> (&v)[kBlockSide], VShort<kBlocks> others) {
  const typename Tags<kBlocks>::Short d16;
  const hn::RepartitionToWide<typename Tags<kBlocks>::Long> d64;
  const auto halves = hn::BitCast(d64, others);
  const auto flat = hn::Eq(hn::Or(halves, hn::Shuffle01(halves)), hn::Zero(d64));
  const auto level = hn::ShiftLeft<kPass1Bits>(v[0]);
  if (hn::AllTrue(d64, flat)) {
    for (auto& row : v) row = level;
    return;
  }
  Pass<kConstBits - kPass1Bits, kBlocks>(v);
  if (hn::AllFalse(d64, flat)) return;
  const auto is_flat = hn::MaskFromVec(hn::BitCast(d16, hn::VecFromMask(d64, flat)));
  for (auto& row : v) row = hn::IfThenElse(is_flat, level, row);
}

template <std::size_t kBlocks>
HWY_INLINE VShort<kBlocks> LoadRow(const std::int16_t* row) {
  const hn::FixedTag<std::int16_t, kBlockSide> one;
  if constexpr (kBlocks == 1) {
    return hn::LoadU(one, row);
  } else {
    return hn::Combine(typename Tags<kBlocks>::Short(), hn::LoadU(one, row + kBlockSize),
                       hn::LoadU(one, row));
  }
}

template <std::size_t kBlocks>
HWY_INLINE void Blocks(const std::int16_t* blocks, const QuantTable& quant, std::uint8_t* out,
                       std::size_t pitch) {
  const typename Tags<kBlocks>::Short d16;
  VShort<kBlocks> v[kBlockSide];
  auto others = hn::Zero(d16);
  for (std::size_t i = 0; i < kBlockSide; ++i) {
    const auto coefficients = LoadRow<kBlocks>(blocks + i * kBlockSide);
    if (i > 0) others = hn::Or(others, coefficients);
    v[i] = hn::Mul(coefficients, hn::LoadDup128(d16, quant.data() + i * kBlockSide));
  }
  FirstPass<kBlocks>(v, others);
  Transpose<kBlocks>(v);
  Pass<kConstBits + kPass1Bits + 3, kBlocks>(v);
  Transpose<kBlocks>(v);
  const hn::Rebind<std::uint8_t, typename Tags<kBlocks>::Short> d8;
  for (std::size_t i = 0; i < kBlockSide; ++i)
    hn::StoreU(hn::DemoteTo(d8, hn::SaturatedAdd(v[i], hn::Set(d16, 128))), d8, out + i * pitch);
}

void InverseDct(const std::int16_t* blocks, std::size_t count, const QuantTable& quant, std::uint8_t* out,
                std::size_t pitch) {
  std::size_t i = 0;
  for (; i + kMostBlocks <= count; i += kMostBlocks)
    Blocks<kMostBlocks>(blocks + i * kBlockSize, quant, out + i * kBlockSide, pitch);
  for (; i < count; ++i) Blocks<1>(blocks + i * kBlockSize, quant, out + i * kBlockSide, pitch);
}

// ---- Upsampling (the triangle filter of jdsample.c) and conversion (jdcolor.c), for even and odd pixels
// apart.

using DPixel = hn::CappedTag<std::int16_t, 32>;
using VPixel = hn::Vec<DPixel>;
using DSample = hn::Rebind<std::uint8_t, DPixel>;

/// Of pixels 2i and 2i + 1 in lane i.
struct Split {
  VPixel even, odd;
};

HWY_INLINE VPixel Samples(const std::uint8_t* from) {
  return hn::PromoteTo(DPixel(), hn::LoadU(DSample(), from));
}

HWY_INLINE Split SplitSamples(const std::uint8_t* from) {
  const DPixel d;
  const auto pairs = hn::BitCast(d, hn::LoadU(hn::Repartition<std::uint8_t, DPixel>(), from));
  const hn::RebindToUnsigned<DPixel> d_unsigned;
  return {hn::And(pairs, hn::Set(d, 0xff)),
          hn::BitCast(d, hn::ShiftRight<8>(hn::BitCast(d_unsigned, pairs)))};
}

HWY_INLINE VPixel ThreeTimes(VPixel v) { return hn::Add(hn::Add(v, v), v); }

/// The samples of one colour component, less 128; `x` counts its own columns.
template <ChromaSampling kSampling>
HWY_INLINE Split Chroma(const std::uint8_t* nearest, const std::uint8_t* next, std::size_t x) {
  const DPixel d;
  const auto centre = hn::Set(d, 128);
  if constexpr (kSampling == ChromaSampling::full) {
    const Split split = SplitSamples(nearest + 2 * x);
    return {hn::Sub(split.even, centre), hn::Sub(split.odd, centre)};
  } else {
    constexpr bool kBoth = kSampling == ChromaSampling::half_both;
    const auto column = [&](std::ptrdiff_t at) {
      if constexpr (kBoth) return hn::Add(ThreeTimes(Samples(nearest + at)), Samples(next + at));
      return Samples(nearest + at);
    };
    const auto at = std::ptrdiff_t(x);
    const auto here = ThreeTimes(column(at));
    const auto left = hn::Add(here, column(at - 1)), right = hn::Add(here, column(at + 1));
    constexpr int kShift = kBoth ? 4 : 2, kLeft = kBoth ? 8 : 1, kRight = kBoth ? 7 : 2;
    return {hn::Sub(hn::ShiftRight<kShift>(hn::Add(left, hn::Set(d, kLeft))), centre),
            hn::Sub(hn::ShiftRight<kShift>(hn::Add(right, hn::Set(d, kRight))), centre)};
  }
}

/// (factor * v + 2^15) >> 16 for |v| <= 128.
HWY_INLINE VPixel Scaled(VPixel v, int factor) {
  const DPixel d;
  return hn::ShiftRight<1>(
      hn::Add(hn::MulHigh(hn::Add(v, v), hn::Set(d, std::int16_t(factor))), hn::Set(d, 1)));
}

// The factors of jdcolor.c in multiples of 2^-16, less the whole numbers that make them fit 16 bits.
constexpr int kRedOfCr = 91881 - 65536, kBlueOfCb = 116130 - 2 * 65536, kGreenOfCb = -22554,
              kGreenOfCr = 65536 - 46802;

HWY_INLINE VPixel RedShift(VPixel cr) { return hn::Add(cr, Scaled(cr, kRedOfCr)); }
HWY_INLINE VPixel BlueShift(VPixel cb) { return hn::Add(hn::Add(cb, cb), Scaled(cb, kBlueOfCb)); }

/// (kGreenOfCb * cb + kGreenOfCr * cr + 2^15) >> 16, less cr. Both lower halves are even, so that their mean
/// is exact.
HWY_INLINE VPixel GreenShift(VPixel cb, VPixel cr) {
  const DPixel d;
  const hn::RebindToUnsigned<DPixel> d_unsigned;
  const auto of_cb = hn::Set(d, kGreenOfCb), of_cr = hn::Set(d, kGreenOfCr);
  const auto mean = hn::AverageRound(hn::BitCast(d_unsigned, hn::Mul(cb, of_cb)),
                                     hn::BitCast(d_unsigned, hn::Mul(cr, of_cr)));
  const auto carry = hn::ShiftRight<1>(hn::Add(hn::ShiftRight<14>(mean), hn::Set(d_unsigned, 1)));
  const auto high = hn::Add(hn::MulHigh(cb, of_cb), hn::MulHigh(cr, of_cr));
  return hn::Sub(hn::Add(high, hn::BitCast(d, carry)), cr);
}

HWY_INLINE hn::Vec<hn::Repartition<std::uint8_t, DPixel> > Join(const Split& luma, VPixel even, VPixel odd) {
  const DPixel d;
  const auto clip = [&](VPixel v) { return hn::Min(hn::Max(v, hn::Zero(d)), hn::Set(d, 255)); };
  return hn::BitCast(hn::Repartition<std::uint8_t, DPixel>(),
                     hn::Or(clip(hn::Add(luma.even, even)), hn::ShiftLeft<8>(clip(hn::Add(luma.odd, odd)))));
}

template <ChromaSampling kSampling>
HWY_INLINE void Pixels(const YccRow& row, std::size_t x, std::uint8_t* rgb) {
  const Split luma = SplitSamples(row.luma + 2 * x);
  const Split cb = Chroma<kSampling>(row.nearest[0], row.next[0], x);
  const Split cr = Chroma<kSampling>(row.nearest[1], row.next[1], x);
  hn::StoreInterleaved3(Join(luma, RedShift(cr.even), RedShift(cr.odd)),
                        Join(luma, GreenShift(cb.even, cr.even), GreenShift(cb.odd, cr.odd)),
                        Join(luma, BlueShift(cb.even), BlueShift(cb.odd)),
                        hn::Repartition<std::uint8_t, DPixel>(), rgb);
}

template <ChromaSampling kSampling>
void Convert(const YccRow& row, std::size_t width, std::uint8_t* rgb) {
  const std::size_t lanes = hn::Lanes(DPixel());
  std::size_t x = 0;
  for (; 2 * (x + lanes) <= width; x += lanes) Pixels<kSampling>(row, x, rgb + 6 * x);
  if (2 * x == width) return;
  HWY_ALIGN std::uint8_t rest[6 * hn::MaxLanes(DPixel())];
  Pixels<kSampling>(row, x, rest);
  std::memcpy(rgb + 6 * x, rest, 3 * (width - 2 * x));
}

void YccToRgb(const YccRow& row, ChromaSampling sampling, std::size_t width, std::uint8_t* rgb) {
  switch (sampling) {
    case ChromaSampling::full:
      return Convert<ChromaSampling::full>(row, width, rgb);
    case ChromaSampling::half_width:
      return Convert<ChromaSampling::half_width>(row, width, rgb);
    case ChromaSampling::half_both:
      return Convert<ChromaSampling::half_both>(row, width, rgb);
  }
}

#endif  // HWY_TARGET == HWY_SCALAR

}  // namespace mlx_vision::media::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mlx_vision::media {

HWY_EXPORT(Available);
HWY_EXPORT(InverseDct);
HWY_EXPORT(YccToRgb);

bool has_jpeg_kernels() { return HWY_DYNAMIC_DISPATCH(Available)(); }

void inverse_dct(const std::int16_t* blocks, std::size_t count, const QuantTable& quant, std::uint8_t* out,
                 std::size_t pitch) {
  HWY_DYNAMIC_DISPATCH(InverseDct)(blocks, count, quant, out, pitch);
}

void ycc_to_rgb(const YccRow& row, ChromaSampling sampling, std::size_t width, std::uint8_t* rgb) {
  HWY_DYNAMIC_DISPATCH(YccToRgb)(row, sampling, width, rgb);
}

}  // namespace mlx_vision::media
#endif  // HWY_ONCE
// NOLINTEND(readability-identifier-naming)
