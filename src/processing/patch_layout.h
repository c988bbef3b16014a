#pragma once
#include <span>
#include <vector>

#include "core/config.h"
#include "media/normalize.h"
#include "mlx_vision/image.h"
#include "processing/resize_rules.h"

namespace mlx_vision::processing {

/// In which order the patches of a picture follow each other.
enum class PatchOrder {
  by_row,        ///< left to right, top to bottom
  merge_blocks,  ///< blocks of merge x merge by row, within a block by row: what will be merged stands
                 ///< together
};

struct PatchLayout {
  int patch = 14, temporal = 1, merge = 1;
  PatchOrder order = PatchOrder::by_row;
  int factor() const { return patch * merge; }
  std::size_t row() const { return std::size_t(3 * temporal) * std::size_t(patch) * std::size_t(patch); }
};

/// The class's defaults replaced by what the file says. @throws ConfigError
PatchLayout read_layout(const core::ConfigReader& config, PatchLayout layout);

/// `[patches, 3, temporal, p, p]` of that many frames of one size, or of one, which is each; sides are
/// multiples of p (in merge_blocks, of p * merge). @throws MediaError if that is more than one array may
/// hold.
std::vector<float> planar_patches(std::span<const Image> frames, const PatchLayout& layout,
                                  const media::NormalizeTable& table);

/// `[patches, p, p, 3]` by row; what is left of a patch at the right and the bottom is dropped.
/// @throws MediaError as planar_patches.
std::vector<float> interleaved_patches(const Image& image, int patch, const media::NormalizeTable& table);

/// The picture of `size` that planar_patches was given, of the repeated frames the first. `patches` may go on
/// with filler.
Image read_planar_patches(std::span<const float> patches, Size size, const PatchLayout& layout,
                          const media::NormalizeTable& table);

/// The picture that interleaved_patches was given: a grid of patches. `patches` may go on with filler.
Image read_interleaved_patches(std::span<const float> patches, Grid grid, int patch,
                               const media::NormalizeTable& table);

}  // namespace mlx_vision::processing
