#pragma once
#include <zlib.h>

#include "mlx_vision/image.h"

namespace mlx_vision::test {

/// CRC-32 of the RGB bytes, as the scripts in tools/ write it.
inline std::uint32_t checksum(const Image& image) {
  return std::uint32_t(crc32_z(0, image.pixels().data(), image.pixels().size()));
}

/// The same noise as picture() of tools/make_resample_goldens.py.
inline Image noise(std::uint32_t seed, int width, int height) {
  std::vector<std::uint8_t> rgb(std::size_t(width) * std::size_t(height) * 3);
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    std::uint32_t v = std::uint32_t(i) * 2654435761u + seed * 40503u;
    v = (v ^ v >> 15) * 2246822519u;
    v = (v ^ v >> 13) * 3266489917u;
    rgb[i] = std::uint8_t(v >> 24);
    if (seed % 3 == 0) rgb[i] = rgb[i] > 127 ? 255 : 0;
  }
  return Image::from_rgb(width, height, std::move(rgb));
}

}  // namespace mlx_vision::test
