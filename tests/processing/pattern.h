#pragma once
#include <bit>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "mlx_vision/image.h"
#include "mlx_vision/tensor.h"

namespace mlx_vision::test {

/// The picture that tools/pixel_goldens/pictures.py's `pattern` makes: waves, checks and noise in wrapping
/// 32-bit arithmetic.
inline Image pattern(int width, int height) {
  std::vector<std::uint8_t> rgb;
  rgb.reserve(std::size_t(width) * std::size_t(height) * 3);
  for (std::uint32_t y = 0; y < std::uint32_t(height); ++y)
    for (std::uint32_t x = 0; x < std::uint32_t(width); ++x)
      for (std::uint32_t c = 0; c < 3; ++c) {
        std::uint32_t n = x * 0x9E3779B1u ^ y * 0x85EBCA77u ^ c * 0xC2B2AE3Du;
        n ^= n >> 15;
        n *= 0x2C1B3C6Du;
        n ^= n >> 12;
        const std::uint32_t wave = ((x * 3 + y * (2 + c) + (x >> 4) * (y >> 4) * 5) >> c) & 127;
        const std::uint32_t check = (((x >> 3) + (y >> 3)) & 1) * 64;
        rgb.push_back(std::uint8_t(wave + check + (n & 63)));
      }
  return Image::from_rgb(width, height, std::move(rgb));
}

/// Position-weighted sum of words, modulo 2^64, as 16 hexadecimal digits: the script's `checksum`.
template <class Words, class ToWord>
std::string checksum(const Words& words, const ToWord& to_word) {
  std::uint64_t sum = 0, weight = 1;
  for (const auto& word : words) {
    sum += std::uint64_t(to_word(word)) * weight;
    weight += 0x9E3779B97F4A7C15u;
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(sum));
  return text;
}

inline std::string checksum(const Tensor& tensor) {
  if (tensor.type == ElementType::float32)
    return checksum(tensor.floats, [](float v) { return std::bit_cast<std::uint32_t>(v); });
  return checksum(tensor.ints, [](std::int64_t v) { return std::uint64_t(v); });
}

inline std::string checksum(const std::string& text) {
  return checksum(text, [](char c) { return static_cast<unsigned char>(c); });
}

}  // namespace mlx_vision::test
