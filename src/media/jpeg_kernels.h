#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace mlx_vision::media {

/// The arithmetic of libjpeg-turbo behind the entropy decoder: same bytes on every instruction set. What
/// valid files cannot hold (dequantised coefficients beyond 16 bits) overflows as in its x86 code.

inline constexpr std::size_t kBlockSide = 8;
inline constexpr std::size_t kBlockSize = kBlockSide * kBlockSide;

/// Steps of the coefficients of one component, row by row.
using QuantTable = std::array<std::int16_t, kBlockSize>;

/// How the two colour components are sampled in comparison with the luma.
enum class ChromaSampling { full, half_width, half_both };

/// Bytes behind a row of samples that ycc_to_rgb may read (never use).
inline constexpr std::size_t kSampleSlack = 80;

/// Whether this machine has the vectors that the kernels need.
bool has_jpeg_kernels();

/// Dequantises `count` blocks that lie side by side and transforms them (JDCT_ISLOW) into eight rows of
/// samples, `pitch` bytes apart.
void inverse_dct(const std::int16_t* blocks, std::size_t count, const QuantTable& quant, std::uint8_t* out,
                 std::size_t pitch);

/// The samples of one row of pixels. Where rows of colour lie twice as far apart as pixels do, `nearest` and
/// `next` are those that enclose it.
struct YccRow {
  const std::uint8_t* luma = nullptr;
  std::array<const std::uint8_t*, 2> nearest = {}, next = {};  ///< Cb and Cr
};

/// Smooth ("fancy") upsampling and conversion of `width` pixels to RGB. Rows of halved width repeat their
/// first sample before it and their last one behind it. Rows of samples have kSampleSlack readable bytes
/// behind them.
void ycc_to_rgb(const YccRow& row, ChromaSampling sampling, std::size_t width, std::uint8_t* rgb);

}  // namespace mlx_vision::media
