#pragma once
#include <cstdint>
#include <optional>
#include <span>

namespace mlx_vision::media {

/// Reads integers at offsets of untrusted bytes; outside of them there is nothing, never an access.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::uint8_t> bytes, bool big_endian = false)
      : bytes_(bytes), big_(big_endian) {}

  bool has(std::uint64_t offset, std::uint64_t size) const {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  }
  std::optional<std::uint8_t> u8(std::uint64_t offset) const {
    return has(offset, 1) ? std::optional(bytes_[offset]) : std::nullopt;
  }
  std::optional<std::uint16_t> u16(std::uint64_t offset) const {
    const auto v = integer(offset, 2);
    return v ? std::optional(std::uint16_t(*v)) : std::nullopt;
  }
  std::optional<std::uint32_t> u32(std::uint64_t offset) const { return integer(offset, 4); }
  /// Empty where the range is not wholly inside.
  std::span<const std::uint8_t> part(std::uint64_t offset, std::uint64_t size) const {
    return has(offset, size) ? bytes_.subspan(offset, size) : std::span<const std::uint8_t>();
  }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::optional<std::uint32_t> integer(std::uint64_t offset, int size) const {
    if (!has(offset, std::uint64_t(size))) return std::nullopt;
    std::uint32_t value = 0;
    for (int i = 0; i < size; ++i)
      value = value << 8 | bytes_[offset + std::uint64_t(big_ ? i : size - 1 - i)];
    return value;
  }

  std::span<const std::uint8_t> bytes_;
  bool big_;
};

}  // namespace mlx_vision::media
