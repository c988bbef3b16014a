#pragma once
#include <memory>

#include "processing/processor.h"

namespace mlx_vision::processing {

// LLaVA's any-resolution tiles: the best of the checkpoint's resolutions (image_grid_pinpoints), the picture
// fitted into it and centred on black, cut row by row; before them the whole picture squashed to one tile.
// Each tile then goes through resize and centre crop.
//
// Arrays: pixel_values `[tiles, 3, tile, tile]` float32, image_sizes `[1, 2]` int64, the picture's own height
// and width. batch() stacks the pixels, `[images, tiles, 3, tile, tile]`, missing tiles are zeros. The
// expansion is one run of tokens: the overview's rows, then those of the tiles without the rows and columns
// that are all padding, one more for each row of them.
// All throw ConfigError, and RequestError for `limits`, which the resolutions cannot honour.

/// LLaVA-NeXT (LlavaNextImageProcessor).
std::unique_ptr<ImageProcessor> make_llava_next_tiles(const ProcessorFiles& files, const ImageLimits& limits);

/// LLaVA-OneVision (LlavaOnevisionImageProcessor). Several images in one prompt are not tiled: each is padded
/// to a square with the mean's colour and is one tile. batch() adds batch_num_images `[1]` int64.
std::unique_ptr<ImageProcessor> make_llava_onevision_tiles(const ProcessorFiles& files,
                                                           const ImageLimits& limits);

}  // namespace mlx_vision::processing
