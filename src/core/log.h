#pragma once
#include <string_view>

namespace mlx_vision::core {

/// Warnings that concern the user: something was odd and the work goes on. Default: one line on stderr.
void warn(std::string_view text);

}  // namespace mlx_vision::core
