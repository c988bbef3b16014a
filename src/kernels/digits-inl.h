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
#include "kernels/numbers-inl.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {

/// The digits of the x that a block of packed numbers is multiplied with, those of the first number of each
/// byte before those of the second.
template <int kBits>
struct Digits : PackedBlock<kBits> {
  using PackedBlock<kBits>::kNumbers;
  static constexpr int kDigitBytes = kDigits * kNumbers;
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

/// What takes values to whole numbers of kDigits bytes, and back.
struct DigitScale {
  float to, from;
};

/// Of `count` values, whole vectors. Not a number if one of them is none, or infinite.
HWY_INLINE DigitScale ScaleOf(const float* x, int count) {
  const DF d;
  VF top = hn::Zero(d), poison = hn::Zero(d);
  for (int i = 0; i < count; i += kLanes) {
    const VF v = hn::LoadU(d, x + i);
    top = hn::Max(top, hn::Abs(v));
    poison = hn::MulAdd(v, hn::Zero(d), poison);
  }
  const float greatest = hn::GetLane(hn::MaxOfLanes(d, top)), none = hn::GetLane(hn::SumOfLanes(d, poison));
  return greatest < kTiny ? DigitScale{0, none} : DigitScale{kLargest / greatest, greatest / kLargest + none};
}

/// Takes apart one block of `count` numbers; the rest become zeros.
template <int kBits>
void SplitBlock(const float* x, int count, float factor, std::int8_t* out) {
  using D = Digits<kBits>;
  float values[D::kNumbers];
  if (count < D::kNumbers) {
    std::copy_n(x, count, values);
    std::fill(values + count, values + D::kNumbers, 0.0f);
    x = values;
  }
  const DF d;
  const VF scale = hn::Set(d, factor), limit = hn::Set(d, kLargest);
  const hn::Rebind<std::int8_t, DF> d8;
  for (int i = 0; i < kVectorBytes; i += kLanes) {
    VF parts[D::kPerByte];
    LoadParts<D::kPerByte>(x + i * D::kPerByte, parts);
    for (int part = 0; part < D::kPerByte; ++part) {
      auto rest = hn::NearestInt(hn::Clamp(hn::Mul(parts[part], scale), hn::Neg(limit), limit));
      for (int digit = kDigits - 1; digit >= 0; --digit) {
        const auto low = hn::ShiftRight<24>(hn::ShiftLeft<24>(rest));
        hn::StoreU(hn::DemoteTo(d8, low), d8, out + (digit * D::kPerByte + part) * kVectorBytes + i);
        rest = hn::ShiftRight<8>(hn::Sub(rest, low));
      }
    }
  }
}

/// A row of x: the digits of all blocks, and what each group's are multiplied with.
template <int kBits>
void SplitRow(const float* x, int in, int group, std::int8_t* digits, float* scales) {
  using D = Digits<kBits>;
  const int run = std::max(group, D::kNumbers);
  for (int begin = 0; begin < in; begin += run) {
    const int end = std::min(in, begin + run);
    const DigitScale scale = ScaleOf(x + begin, end - begin);
    std::fill(scales + begin / group, scales + end / group, scale.from);
    for (int at = begin; at < end; at += D::kNumbers, digits += D::kDigitBytes)
      SplitBlock<kBits>(x + at, std::min(D::kNumbers, end - at), scale.to, digits);
  }
}

#if MLX_VISION_HAS_BYTE_PAIRS

using VI = hn::Vec<DI>;

#if MLX_VISION_HAS_BYTE_FOURS

/// sums + the products of four unsigned and four signed bytes in each lane. Written out, since Highway 1.0
/// does not let this target use the intrinsic.
HWY_INLINE VI AddByteProducts(VI sums, V8 numbers, const std::int8_t* digits) {
  asm("vpdpbusd %2, %1, %0"
      : "+v"(sums.raw)
      : "v"(numbers.raw), "m"(*reinterpret_cast<const std::int8_t(*)[kVectorBytes]>(digits)));
  return sums;
}

/// Σ number · x of each lane of one block, in units of its scale.
template <int kBits>
HWY_INLINE VF BlockProducts(const V8* numbers, const std::int8_t* digits) {
  constexpr int kPerByte = Digits<kBits>::kPerByte;
  const DF d;
  const auto add_digit = [&](VI sums, int digit) HWY_ATTR {
    for (int part = 0; part < kPerByte; ++part)
      sums = AddByteProducts(sums, numbers[part], digits + (digit * kPerByte + part) * kVectorBytes);
    return sums;
  };
  const VI upper = add_digit(hn::Zero(DI()), 0);
  if constexpr (kBits == 8) {  // three digits would not fit
    const VI lower = add_digit(hn::ShiftLeft<8>(add_digit(hn::Zero(DI()), 1)), 2);
    return hn::MulAdd(hn::ConvertTo(d, upper), hn::Set(d, 65536.0f), hn::ConvertTo(d, lower));
  }
  const VI middle = add_digit(hn::ShiftLeft<8>(upper), 1);
  return hn::ConvertTo(d, add_digit(hn::ShiftLeft<8>(middle), 2));
}

#else

using DI16 = hn::Repartition<std::int16_t, DF>;
using VI16 = hn::Vec<DI16>;

/// The products of two unsigned and two signed bytes in 16 bits. By intrinsics, since Highway 1.0 has none.
HWY_INLINE VI16 BytePairs(V8 numbers, const std::int8_t* digits) {
#if HWY_TARGET == HWY_AVX2
  return VI16{
      _mm256_maddubs_epi16(numbers.raw, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(digits)))};
#else
  return VI16{_mm512_maddubs_epi16(numbers.raw, _mm512_loadu_si512(digits))};
#endif
}

/// Σ number · x of each lane of one block, in units of its scale.
template <int kBits>
HWY_INLINE VF BlockProducts(const V8* numbers, const std::int8_t* digits) {
  constexpr int kPerByte = Digits<kBits>::kPerByte;
  static_assert(((1 << kBits) - 1) * 2 * kPerByte * 128 <= 32767);
  const DI16 d;
  const auto digit_sums = [&](int digit) HWY_ATTR {
    VI16 sums = BytePairs(numbers[0], digits + digit * kPerByte * kVectorBytes);
    for (int part = 1; part < kPerByte; ++part)
      sums = hn::Add(sums, BytePairs(numbers[part], digits + (digit * kPerByte + part) * kVectorBytes));
    return sums;
  };
  VI unused = hn::Zero(DI());
  const auto add_digit = [&](VI sums, int digit, int factor) HWY_ATTR {
    return hn::ReorderWidenMulAccumulate(DI(), digit_sums(digit), hn::Set(d, std::int16_t(factor)), sums,
                                         unused);
  };
  const VI upper = add_digit(add_digit(hn::Zero(DI()), 0, 256), 1, 1);
  return hn::ConvertTo(DF(), add_digit(hn::ShiftLeft<8>(upper), 2, 1));
}

#endif
#endif

}  // namespace
}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// NOLINTEND(readability-identifier-naming)
#endif
