#pragma once
#include <string>
#include <vector>

#include "cli/view_text.h"

namespace mlx_vision::cli {

/// What the environment says of the terminal; `colorterm` and `term` are the variables' values.
bool has_true_colour(const std::string& colorterm, const std::string& term);

/// Columns for a drawing on the terminal that stdout is; 0: stdout is no terminal, it does not show 24-bit
/// colours, or NO_COLOR is set.
int drawing_columns();

/// The image as lines of coloured half blocks, two pixels to a character, at most `columns` wide and `rows`
/// high.
std::string half_blocks(const Image& image, int columns, int rows);

/// All views of an image in one row, tiles in their lattice. @throws MediaError
Image views_strip(const Seen& seen);

}  // namespace mlx_vision::cli
