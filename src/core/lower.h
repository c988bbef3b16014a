#pragma once
#include <string>
#include <string_view>

namespace mlx_vision::core {

/// ASCII letters in lower case; other bytes as they are.
std::string lower(std::string_view text);

}  // namespace mlx_vision::core
