#pragma once
#include <cstddef>
#include <vector>

#include "media/resample.h"

namespace mlx_vision::media {

/// A PNG file of 8-bit RGB. @throws MediaError with libpng's own text
std::vector<std::byte> write_png(const RgbView& image);

}  // namespace mlx_vision::media
