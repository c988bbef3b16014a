/// Intel's matrix unit (AMX): for files that are compiled for it alone, see CMakeLists.txt.
#pragma once
#include <cpuid.h>
#include <hwy/targets.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "kernels/weight_view.h"

namespace mlx_vision::kernels {

constexpr int kSide = 16;          ///< rows of a tile, and its columns of 4 bytes
constexpr int kDepth = 2 * kSide;  ///< inputs of a tile, in pairs of bfloat16
constexpr int kTileWords = kSide * kSide;
constexpr int kParts = 3;          ///< bfloat16s that hold a float32
constexpr std::size_t kLine = 64;  ///< bytes of the cache's, and of a tile's row

using Words = std::uint32_t;

/// Products that it may have, in EDX of leaf 7.
constexpr unsigned kMatrixBfloat16 = 1u << 22, kMatrixBytes = 1u << 25;

/// Whether the processor has the unit with these products and the system lets this process use it.
inline bool has_matrix_unit(unsigned products) {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  const unsigned wanted = products | 1u << 24;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & wanted) == wanted &&
         syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

/// Whether every set of instructions may be used: a test that forces one forces this one out.
inline bool unit_allowed() {
  constexpr auto kBoth = HWY_AVX2 | HWY_AVX3_DL;
  return (hwy::SupportedTargets() & kBoth) == kBoth;
}

struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

constexpr TileConfig whole_tiles() {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = kLine;
    config.rows[i] = kSide;
  }
  return config;
}

inline constexpr TileConfig kWholeTiles = whole_tiles();

/// The configuration holds for as long as this lives. It must not lie on the stack: compilers do not know how
/// much of it the instruction reads, and leave stores out.
class Tiles {
 public:
  explicit Tiles(const TileConfig& config) { _tile_loadconfig(&config); }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

/// From a line of the cache on: rows of tiles that lie in two lines take twice as long.
inline Words* aligned(void* memory) {
  return reinterpret_cast<Words*>((reinterpret_cast<std::uintptr_t>(memory) + kLine - 1) / kLine * kLine);
}

/// The first `count` of 16.
inline __mmask16 mask_of(int count) {
  if (count >= kSide) return 0xffff;
  return count <= 0 ? __mmask16(0) : __mmask16((1u << count) - 1);
}

inline float widened(Element element, const void* values, std::size_t i) {
  if (element == Element::float32) return static_cast<const float*>(values)[i];
  const auto bits = static_cast<const std::uint16_t*>(values)[i];
  if (element == Element::float16) return _cvtsh_ss(bits);
  const std::uint32_t word = std::uint32_t(bits) << 16;
  float out;
  std::memcpy(&out, &word, sizeof out);
  return out;
}

/// The upper halves of two vectors of float32 as 32 bfloat16, a's first.
inline __m512i upper_halves(__m512i a, __m512i b) {
  alignas(64) static constexpr auto kOdd = [] {
    std::array<std::uint16_t, 32> words{};
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = std::uint16_t(2 * i + 1);
    return words;
  }();
  return _mm512_permutex2var_epi16(a, _mm512_load_si512(kOdd.data()), b);
}

inline __m512 rest_of(__m512 x, __m512i* part) {
  *part = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(int(0xffff0000u)));
  return _mm512_sub_ps(x, _mm512_castsi512_ps(*part));
}

/// 32 values of x as `count` rows of bfloat16, the first the most significant; truncated, so that three hold
/// it all.
template <int kCount>
void split(__m512 a, __m512 b, std::array<__m512i, kCount>& parts) {
  for (int i = 0; i < kCount; ++i) {
    __m512i low, high;
    a = rest_of(a, &low);
    b = rest_of(b, &high);
    parts[std::size_t(i)] = upper_halves(low, high);
  }
}

/// rows[i] word j → rows[j] word i.
inline void transpose(std::array<__m512i, kSide>& r) {
  std::array<__m512i, kSide> t;
  for (std::size_t i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (std::size_t i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

}  // namespace mlx_vision::kernels
