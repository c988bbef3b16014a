#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

/// LFM2-VL as mlx-vlm prepares it: a large picture is squashed to the grid of tiles that suits its shape, cut
/// row by row, the whole picture at its own aspect ratio after them; a small one is that alone. Splitting is
/// on whatever the file says, as there. Each view is patches `[patch, patch, 3]`, filled up with zeros.
///
/// Arrays: pixel_values `[views, max, 3 * patch * patch]` float32, pixel_attention_mask `[views, max]` and
/// spatial_shapes `[views, 2]` (rows, columns) int64. The expansion names each tile's row and column.
/// @throws ConfigError; RequestError for `limits`, which tiles cannot honour.
std::unique_ptr<ImageProcessor> make_lfm2_tiles(const ProcessorFiles& files, const ImageLimits& limits);

}  // namespace mlx_vision::processing
