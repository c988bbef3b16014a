#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace mlx_vision::cli {

/// 64 hexadecimal digits, by the system's library.
std::string sha256(std::span<const std::uint8_t> bytes);

}  // namespace mlx_vision::cli
