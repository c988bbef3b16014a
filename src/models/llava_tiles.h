#pragma once
#include <vector>

#include "models/decoder_only.h"
#include "models/llava_tower.h"

namespace mlx_vision::models {

/// What a model of the LLaVA line must know of its any-resolution tiles.
struct LlavaTiles {
  std::vector<processing::Size> resolutions;  ///< image_grid_pinpoints
  int most_tiles = 0;                         ///< beyond, rows are resampled (anyres_max_N); 0 = never
  int video_token = -1;                       ///< below 0: takes no videos
};

/// LLaVA whose pictures are an overview and tiles. The tiles' rows are put together to one plane, those that
/// are all padding dropped, and each line ends with the row `image_newline`.
class TiledLlava final : public DecoderOnlyVlm {
 public:
  /// @throws ConfigError when the rows of a tile are not those of its patches.
  TiledLlava(const LlavaConfig& config, LlavaTiles tiles, const nn::Weights& weights);
  mx::array encode(const processing::ImageInput& image) const override;

 protected:
  int video_token() const override { return tiles_.video_token < 0 ? image_token() : tiles_.video_token; }
  memory::VisionShape vision_shape() const override;

 private:
  mx::array plane_of(const mx::array& tiles, processing::Size picture) const;
  mx::array encode_frames(const mx::array& pixels) const;

  LlavaTiles tiles_;
  int tile_, side_;  ///< pixels and patches along one tile
  LlavaTower tower_;
  mx::array newline_;
};

}  // namespace mlx_vision::models
