#pragma once
#include <string>
#include <vector>

namespace mlx_vision::cli {

/// Rewrites `--image A B` as `--image A --image B` for every flag that takes several values, so that each
/// value is taken as it stands: the parser would split one like "[a, b]", and swallow what follows.
std::vector<std::string> spread_values(const std::vector<std::string>& arguments);

/// Resolves the escapes of a Python string (\n, \t, \\, \", \xHH, \uHHHH, \UHHHHHHHH …), as mlx_vlm does for
/// --eos-tokens. An unknown or malformed escape stays as it is.
std::string unescaped(const std::string& text);

}  // namespace mlx_vision::cli
