// Packed numbers as bytes: compiled once for each instruction set by the files that include it.
#if defined(MLX_VISION_KERNELS_NUMBERS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef MLX_VISION_KERNELS_NUMBERS_INL_H
#undef MLX_VISION_KERNELS_NUMBERS_INL_H
#else
#define MLX_VISION_KERNELS_NUMBERS_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "kernels/widen-inl.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

// Whether bytes can be multiplied and added in pairs, into 16 bits, and four at a time, into 32. Better
// targets of x86 have lower bits.
#undef MLX_VISION_HAS_BYTE_PAIRS
#undef MLX_VISION_HAS_BYTE_FOURS
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
#define MLX_VISION_HAS_BYTE_PAIRS 1
#else
#define MLX_VISION_HAS_BYTE_PAIRS 0
#endif
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
#define MLX_VISION_HAS_BYTE_FOURS 1
#else
#define MLX_VISION_HAS_BYTE_FOURS 0
#endif

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {

constexpr int kVectorBytes = kLanes * 4;

/// Whether numbers of so many bits are multiplied as bytes: pairs of more would overflow.
template <int kBits>
constexpr bool kAsBytes = MLX_VISION_HAS_BYTE_FOURS || (MLX_VISION_HAS_BYTE_PAIRS && kBits <= 6);

/// What is taken apart at a time: a vector of packed bytes where numbers divide a byte, else as much as
/// becomes one vector of numbers.
template <int kBits>
struct PackedBlock {
  static constexpr int kPerByte = 8 % kBits == 0 ? 8 / kBits : 1;  ///< vectors of numbers
  static constexpr int kNumbers = kVectorBytes * kPerByte;
  static constexpr int kBytes = kNumbers * kBits / 8;
};

#if MLX_VISION_HAS_BYTE_PAIRS

using D8 = hn::Repartition<std::uint8_t, DF>;
using D16 = hn::Repartition<std::uint16_t, DF>;
using V8 = hn::Vec<D8>;

/// Takes blocks apart into vectors of numbers: the first of each byte before the second.
template <int kBits>
struct InBytes {
  HWY_INLINE void operator()(const std::uint8_t* packed, V8* numbers) const {
    V8 bytes = hn::LoadU(D8(), packed);
    asm("" : "+v"(bytes.raw));  // read once, not again by each instruction that takes it
    numbers[0] = bytes;
    if constexpr (kBits < 8) Take<0>(bytes, numbers);
  }

 private:
  template <int kPart>
  HWY_INLINE static void Take(V8 bytes, V8* numbers) {
    const auto shifted = hn::BitCast(D8(), hn::ShiftRight<kPart * kBits>(hn::BitCast(D16(), bytes)));
    numbers[kPart] = hn::And(shifted, hn::Set(D8(), std::uint8_t((1 << kBits) - 1)));
    if constexpr (kPart + 1 < PackedBlock<kBits>::kPerByte) Take<kPart + 1>(bytes, numbers);
  }
};

#if MLX_VISION_HAS_BYTE_FOURS

/// The same for numbers that do not divide a byte, in their order: as Unpacking in byte_pack.h. Written out,
/// since Highway 1.0 does not let this target use the intrinsics.
template <int kBits>
class AcrossBytes {
 public:
  HWY_INLINE void operator()(const std::uint8_t* packed, V8* numbers) const {
    constexpr std::uint64_t kThere = (std::uint64_t(1) << PackedBlock<kBits>::kBytes) - 1;
    __m512i near = _mm512_maskz_loadu_epi8(kThere, packed);
    asm("vpermb %0, %1, %0\n\tvpmultishiftqb %0, %2, %0"
        : "+&v"(near)  // written before the shifts are read
        : "v"(hn::Load(D8(), kFrom.data()).raw), "v"(hn::Load(D8(), kShift.data()).raw));
    *numbers = hn::And(V8{near}, hn::Set(D8(), std::uint8_t((1 << kBits) - 1)));
  }

 private:
  using Table = std::array<std::uint8_t, kVectorBytes>;
  alignas(kVectorBytes) static constexpr Table kFrom = [] {
    Table from{};
    for (std::size_t i = 0; i < from.size(); ++i)
      from[i] = std::uint8_t(std::min<std::size_t>(i / 8 * kBits + i % 8, kVectorBytes - 1));
    return from;
  }();
  alignas(kVectorBytes) static constexpr Table kShift = [] {
    Table shift{};
    for (std::size_t i = 0; i < shift.size(); ++i) shift[i] = std::uint8_t(i % 8 * kBits);
    return shift;
  }();
};

#else

/// The same for numbers that do not divide a byte, in their order: the two bytes that each lies in are moved
/// by a product, to where the even ones are shifted down from and the odd ones cut out.
template <int kBits>
class AcrossBytes {
 public:
  HWY_INLINE void operator()(const std::uint8_t* packed, V8* numbers) const {
    const DU d;
    const auto* words = reinterpret_cast<const std::uint32_t*>(packed);
    const auto there = hn::MaskedLoad(hn::FirstN(d, PackedBlock<kBits>::kBytes / 4), d, words);
    const auto near = hn::BitCast(D8(), hn::TableLookupLanes(there, hn::SetTableIndices(d, kWords.data())));
    const auto even = Moved(near, kEven), odd = Moved(near, kOdd);
    constexpr auto kMask = std::uint16_t(((1 << kBits) - 1) << 8);
    *numbers =
        hn::BitCast(D8(), hn::Or(hn::ShiftRight<16 - kBits>(even), hn::And(odd, hn::Set(D16(), kMask))));
  }

 private:
  static constexpr int kBlock = 16;  // numbers, of a part of the vector that bytes are moved within

  /// Of each second number: its two bytes, and the power of two that moves it.
  struct Moves {
    alignas(kVectorBytes) std::array<std::uint8_t, kVectorBytes> bytes{};
    alignas(kVectorBytes) std::array<std::uint16_t, kVectorBytes / 2> factors{};
  };

  static constexpr int kBlockBytes = kBlock * kBits / 8;
  static constexpr Moves MovesOf(int first) {
    Moves moves;
    for (int i = 0; i < kVectorBytes / 2; ++i) {
      const int block = i / (kBlock / 2), number = i % (kBlock / 2) * 2 + first;
      const int bit = block * kBlockBytes % 4 * 8 + number * kBits;
      moves.bytes[std::size_t(2 * i)] = std::uint8_t(bit / 8);
      moves.bytes[std::size_t(2 * i + 1)] = std::uint8_t(bit / 8 + 1);
      moves.factors[std::size_t(i)] = std::uint16_t(1 << ((first == 0 ? 16 - kBits : 8) - bit % 8));
    }
    return moves;
  }
  static constexpr Moves kEven = MovesOf(0), kOdd = MovesOf(1);
  /// The words that each 16 numbers lie in.
  alignas(kVectorBytes) static constexpr auto kWords = [] {
    std::array<std::int32_t, kLanes> words{};
    for (int i = 0; i < kLanes; ++i) words[std::size_t(i)] = i / 4 * kBlockBytes / 4 + i % 4;
    return words;
  }();

  HWY_INLINE static hn::Vec<D16> Moved(V8 near, const Moves& moves) {
    const auto bytes = hn::TableLookupBytes(near, hn::Load(D8(), moves.bytes.data()));
    return hn::Mul(hn::BitCast(D16(), bytes), hn::Load(D16(), moves.factors.data()));
  }
};

#endif

/// Takes one block apart, PackedBlock::kBytes at `packed`.
template <int kBits>
HWY_INLINE void SplitNumbers(const std::uint8_t* packed, V8* numbers) {
  if constexpr (8 % kBits == 0)
    InBytes<kBits>()(packed, numbers);
  else
    AcrossBytes<kBits>()(packed, numbers);
}

/// The same of a part of a block; the numbers behind it are zeros.
template <int kBits>
HWY_INLINE void SplitPart(const std::uint8_t* packed, int bytes, V8* numbers) {
  std::uint8_t held[kVectorBytes] = {};
  std::memcpy(held, packed, std::size_t(bytes));
  SplitNumbers<kBits>(held, numbers);
}

#endif

}  // namespace
}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// NOLINTEND(readability-identifier-naming)
#endif
