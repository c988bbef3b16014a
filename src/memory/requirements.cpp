#include "memory/requirements.h"

#include <cstdio>
#include <limits>

#include "mlx_vision/error.h"

namespace mlx_vision::memory {
namespace {

std::string gigabytes(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f GB", double(bytes) / 1e9);
  return text;
}

std::string pictures(int width, int height, int count) {
  std::string text = std::to_string(count);
  text.append(count == 1 ? " image of " : " images of ").append(std::to_string(width));
  return text.append("x").append(std::to_string(height));
}

}  // namespace

std::uint64_t picture_array_bytes(int width, int height, int count) {
  constexpr std::uint64_t kBytesPerPixel = std::uint64_t(3) * sizeof(float);
  const std::uint64_t one = std::uint64_t(width) * std::uint64_t(height);  // < 2^62
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  if (count > 0 && one > kMost / kBytesPerPixel / std::uint64_t(count)) return kMost;
  return one * kBytesPerPixel * std::uint64_t(count);
}

std::string check_requirements(int width, int height, int count, const DeviceMemory& device) {
  if (width < 1 || height < 1 || count < 0)
    throw RequestError("memory check: expected a size of at least 1x1 and no negative count, got " +
                       pictures(width, height, count));
  const std::uint64_t need = picture_array_bytes(width, height, count);
  const std::string what = pictures(width, height, count);
  if (need > device.largest_buffer)
    throw MemoryError("memory: " + what + " need " + gigabytes(need) +
                          ", the device's largest buffer holds " + gigabytes(device.largest_buffer) +
                          "; use fewer or smaller images",
                      need, device.largest_buffer);
  if (!device.available)
    return "memory: the available memory cannot be read; going on with " + what + ", which need " +
           gigabytes(need);
  if (need > *device.available / 2)
    return "memory: " + what + " need about " + gigabytes(2 * need) + " with copies, " +
           gigabytes(*device.available) + " are available";
  return {};
}

}  // namespace mlx_vision::memory
