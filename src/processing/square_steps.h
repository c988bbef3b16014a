#pragma once
#include <optional>

#include "mlx_vision/image.h"
#include "processing/pixel_config.h"

namespace mlx_vision::processing {

/// What transformers' plain image processors do to a picture before its values: resize, then centre crop. An
/// absent step is left out.
struct SquareSteps {
  std::optional<SizeField> resize;  ///< a rectangle, or the shortest edge
  std::optional<Size> crop;         ///< black where the picture is smaller

  /// @throws MediaError
  Image apply(const Image& image, const PixelRule& pixels) const;
  /// The part that the result shows of a picture of this size, in its pixels; beyond it where it is padded.
  Box shown(Size picture) const;
  /// The size of every result; absent where it depends on the picture. `square`: only squares come in.
  std::optional<Size> result(bool square) const;
  /// What the first step makes of a picture of this size. @throws MediaError
  Size resized(Size picture) const;
};

/// What a class assumes for fields that the file leaves out; no crop = do_center_crop is off.
struct SquareDefaults {
  SizeField size;
  std::optional<Size> crop;
  BareSize bare = BareSize::shortest_edge;
};

/// Reads size, do_center_crop and crop_size. @throws ConfigError
SquareSteps read_square_steps(const core::ConfigReader& config, const PixelRule& pixels,
                              const SquareDefaults& defaults);

SizeField square_size(int edge);
SizeField shortest_edge(int edge);

}  // namespace mlx_vision::processing
