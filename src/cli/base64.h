#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mlx_vision::cli {

/// Standard base64 (RFC 4648 §4); white space is skipped, padding may be left out. nullopt for anything else.
std::optional<std::vector<std::byte>> decode_base64(std::string_view text);

/// With padding, in one line.
std::string encode_base64(std::span<const std::byte> bytes);

}  // namespace mlx_vision::cli
