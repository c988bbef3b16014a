#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace mlx_vision::memory {

/// Metal's limit on 128 GB machines, taken where MLX reports none.
constexpr std::uint64_t kDefaultLargestBuffer = 77'309'411'328;

/// float32 pixels of `count` pictures as one array: width · height · 3 channels · 4 bytes · count. Saturates.
std::uint64_t picture_array_bytes(int width, int height, int count);

struct DeviceMemory {
  std::uint64_t largest_buffer = kDefaultLargestBuffer;
  std::optional<std::uint64_t> available;  ///< nullopt = could not be read
};

/// The warning that is due, or "". @throws MemoryError when the array is larger than the largest buffer;
/// RequestError for a size below 1 or a negative count.
std::string check_requirements(int width, int height, int count, const DeviceMemory& device);

}  // namespace mlx_vision::memory
