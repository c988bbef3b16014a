#pragma once
#include <string>
#include <vector>

#include "cli/canvas.h"
#include "cli/view_text.h"

namespace mlx_vision::cli {

/// Colours by which a tile and the part of the original that it shows are told.
Colour tile_colour(const View& view);

/// One picture of everything: for each image the original with the parts that are shown, then the views at
/// whole multiples of their size, with their grids, and what there is to say about them. @throws MediaError
Image draw_sheet(const std::vector<SeenImage>& images, const std::string& title);

}  // namespace mlx_vision::cli
