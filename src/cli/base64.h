#pragma once
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace mlx_vision::cli {

/// Standard base64 (RFC 4648 §4); white space is skipped, padding may be left out. nullopt for anything else.
std::optional<std::vector<std::byte>> decode_base64(std::string_view text);

}  // namespace mlx_vision::cli
