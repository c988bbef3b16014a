#pragma once
#include <cstddef>
#include <cstdint>

#include "mlx_vision/image.h"

namespace mlx_vision::media {

/// Pillow's MULDIV255: a * b / 255, rounded.
inline std::uint8_t multiply_255(unsigned a, unsigned b) {
  const unsigned product = a * b + 128u;
  return std::uint8_t(((product >> 8) + product) >> 8);
}

/// One pixel with alpha to RGB. Compositing rounds as Pillow's alpha_composite and paste do.
inline void put_rgba(const std::uint8_t* in, std::uint8_t* out, AlphaMode alpha) {
  if (alpha == AlphaMode::drop) {
    for (int c = 0; c < 3; ++c) out[c] = in[c];
    return;
  }
  const unsigned ground = alpha == AlphaMode::white ? 255 : 0;
  for (int c = 0; c < 3; ++c) {
    const unsigned sum = unsigned(in[c]) * in[3] + ground * (255u - in[3]) + 128u;
    out[c] = std::uint8_t(((sum >> 8) + sum) >> 8);
  }
}

inline void rgba_to_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count, AlphaMode alpha) {
  for (std::size_t i = 0; i < count; ++i) put_rgba(in + 4 * i, out + 3 * i, alpha);
}

inline void gray_to_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[3 * i] = out[3 * i + 1] = out[3 * i + 2] = in[i];
}

/// Pillow's cmyk2rgb: no profile, each ink reduced by black.
inline void cmyk_to_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i, in += 4, out += 3) {
    const int white = 255 - in[3];
    for (int c = 0; c < 3; ++c) {
      const int value = white - multiply_255(in[c], unsigned(white));
      out[c] = std::uint8_t(value < 0 ? 0 : value);
    }
  }
}

/// Pillow shows 16-bit gray by clipping, not by scaling.
inline std::uint8_t clip_gray16(std::uint32_t value) { return std::uint8_t(value > 255 ? 255 : value); }

/// Pillow's f2rgb family: clipped, then truncated; not a number gives 0.
inline std::uint8_t clip_float(double value) {
  if (!(value > 0.0)) return 0;
  return value >= 255.0 ? 255 : std::uint8_t(value);
}

}  // namespace mlx_vision::media
