#pragma once
#include <string>
#include <vector>

#include "cli/view_text.h"

namespace mlx_vision::cli {

/// A page that needs no other file: each original with the parts that are shown, its views with grids that
/// can be switched off, and their facts. @throws MediaError
std::string sheet_html(const std::vector<SeenImage>& images, const std::string& title);

}  // namespace mlx_vision::cli
