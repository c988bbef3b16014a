// Products of packed numbers as integers: compiled once for each instruction set by the files that include
// it.
//
// The numbers of a row of W are bytes as they are stored, or halves and quarters of them. A run of x shares a
// scale and is rounded to 24 bits relative to its greatest value, as float32 itself is, and taken apart into
// three signed bytes, so that an instruction that multiplies bytes gives the exact product of both in three
// steps. That takes a third of the time of converting the numbers to float32.
#if defined(MLX_VISION_KERNELS_DIGITS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef MLX_VISION_KERNELS_DIGITS_INL_H
#undef MLX_VISION_KERNELS_DIGITS_INL_H
#else
#define MLX_VISION_KERNELS_DIGITS_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/digits.h"
#include "kernels/widen-inl.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

// Better targets of x86 have lower bits.
#undef MLX_VISION_HAS_DIGITS
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
#define MLX_VISION_HAS_DIGITS 1
#else
#define MLX_VISION_HAS_DIGITS 0
#endif

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {

constexpr bool kHasDigits = MLX_VISION_HAS_DIGITS;

constexpr int kBlockBytes = 64;

/// Sizes of a block: 64 bytes of packed numbers, and the digits of the x that they are multiplied with, those
/// of the first number of each byte before those of the second.
template <int kBits>
struct Digits {
  static constexpr int kPerByte = 8 / kBits;
  static constexpr int kNumbers = kBlockBytes * kPerByte;  ///< in a block
  static constexpr int kBytes = kDigits * kNumbers;
  static int Blocks(int in) { return (in + kNumbers - 1) / kNumbers; }
};

/// kPerByte · kLanes values, those of the first number of each byte before those of the second.
template <int kPerByte>
HWY_INLINE void LoadParts(const float* x, VF* parts) {
  const DF d;
  if constexpr (kPerByte == 1)
    parts[0] = hn::LoadU(d, x);
  else if constexpr (kPerByte == 2)
    hn::LoadInterleaved2(d, x, parts[0], parts[1]);
  else
    hn::LoadInterleaved4(d, x, parts[0], parts[1], parts[2], parts[3]);
}

/// Takes apart one block of `count` numbers; the rest become zeros. Returns its scale.
template <int kBits>
float SplitBlock(const float* x, int count, std::int8_t* out) {
  using D = Digits<kBits>;
  float values[D::kNumbers];
  if (count < D::kNumbers) {
    std::copy_n(x, count, values);
    std::fill(values + count, values + D::kNumbers, 0.0f);
    x = values;
  }
  const DF d;
  VF top = hn::Zero(d), poison = hn::Zero(d);
  for (int i = 0; i < D::kNumbers; i += kLanes) {
    const VF v = hn::LoadU(d, x + i);
    top = hn::Max(top, hn::Abs(v));
    poison = hn::MulAdd(v, hn::Zero(d), poison);  // not a number if one of them is none, or infinite
  }
  const float greatest = hn::GetLane(hn::MaxOfLanes(d, top));
  const bool vanishes = greatest < kTiny;
  const VF scale = hn::Set(d, vanishes ? 0.0f : kLargest / greatest);
  const VF limit = hn::Set(d, kLargest);
  const hn::Rebind<std::int8_t, DF> d8;
  for (int i = 0; i < kBlockBytes; i += kLanes) {
    VF parts[D::kPerByte];
    LoadParts<D::kPerByte>(x + i * D::kPerByte, parts);
    for (int part = 0; part < D::kPerByte; ++part) {
      auto rest = hn::NearestInt(hn::Clamp(hn::Mul(parts[part], scale), hn::Neg(limit), limit));
      for (int digit = kDigits - 1; digit >= 0; --digit) {
        const auto low = hn::ShiftRight<24>(hn::ShiftLeft<24>(rest));
        hn::StoreU(hn::DemoteTo(d8, low), d8, out + (digit * D::kPerByte + part) * kBlockBytes + i);
        rest = hn::ShiftRight<8>(hn::Sub(rest, low));
      }
    }
  }
  return (vanishes ? 0.0f : greatest / kLargest) + hn::GetLane(hn::SumOfLanes(d, poison));
}

/// A row of x: all blocks' digits, then their scales.
template <int kBits>
void SplitRow(const float* x, int in, float* out) {
  using D = Digits<kBits>;
  const int blocks = D::Blocks(in);
  auto* digits = reinterpret_cast<std::int8_t*>(out);
  float* scales = out + blocks * (D::kBytes / int(sizeof(float)));
  for (int b = 0; b < blocks; ++b)
    scales[b] = SplitBlock<kBits>(x + b * D::kNumbers, std::min(D::kNumbers, in - b * D::kNumbers),
                                  digits + b * D::kBytes);
}

#if MLX_VISION_HAS_DIGITS

/// sums + the products of four unsigned and four signed bytes in each lane. Written out, since Highway 1.0
/// does not let this target use the intrinsic.
HWY_INLINE __m512i AddByteProducts(__m512i sums, __m512i numbers, const std::int8_t* digits) {
  asm("vpdpbusd %2, %1, %0"
      : "+v"(sums)
      : "v"(numbers), "m"(*reinterpret_cast<const std::int8_t(*)[kBlockBytes]>(digits)));
  return sums;
}

/// Σ number · x of each lane of one block, in units of the block's scale.
template <int kBits>
HWY_INLINE __m512 BlockProducts(const __m512i* numbers, const std::int8_t* digits) {
  constexpr int kPerByte = Digits<kBits>::kPerByte;
  const auto add_digit = [&](__m512i sums, int digit) HWY_ATTR {
    for (int part = 0; part < kPerByte; ++part)
      sums = AddByteProducts(sums, numbers[part], digits + (digit * kPerByte + part) * kBlockBytes);
    return sums;
  };
  const __m512i upper = add_digit(_mm512_setzero_si512(), 0);
  if constexpr (kBits == 8) {  // three digits would not fit
    const __m512i middle = add_digit(_mm512_setzero_si512(), 1);
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(upper), _mm512_set1_ps(65536),
                           _mm512_cvtepi32_ps(add_digit(_mm512_slli_epi32(middle, 8), 2)));
  }
  const __m512i middle = add_digit(_mm512_slli_epi32(upper, 8), 1);
  return _mm512_cvtepi32_ps(add_digit(_mm512_slli_epi32(middle, 8), 2));
}

/// The numbers of a block, the first of each byte before the second.
template <int kBits>
HWY_INLINE void SplitNumbers(__m512i packed, __m512i* numbers) {
  asm("" : "+v"(packed));  // read once, not again by each instruction that takes it
  const __m512i mask = _mm512_set1_epi8(char((1 << kBits) - 1));
  for (int part = 0; part < Digits<kBits>::kPerByte; ++part)
    numbers[part] =
        kBits == 8 ? packed : _mm512_and_si512(_mm512_srli_epi16(packed, unsigned(part * kBits)), mask);
}

#endif

}  // namespace
}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// NOLINTEND(readability-identifier-naming)
#endif
