#pragma once
#include <cstdint>
#include <vector>

#include "mlx_vision/image.h"

namespace mlx_vision::media {

/// One direction of a resize: for each output position the window of input positions it reads and their
/// integer weights. Output = clip8((round + Σ weight · byte) >> precision), in wrapping int32.
struct ResampleAxis {
  int in = 0, out = 0;
  bool needed = false;  ///< false: the direction is copied as it is
  int precision = 0;
  int taps = 0;  ///< the largest window; weights are stored `taps` apart, filled up with 0
  std::vector<int> start, count;
  std::vector<std::int32_t> weights;

  const std::int32_t* weights_of(int position) const {
    return weights.data() + std::size_t(position) * std::size_t(taps);
  }
};

/// The same windows seen from the other end: position i reads the mirror image of what position out-1-i read.
ResampleAxis mirrored(const ResampleAxis& axis);

/// Weights as Pillow computes them (Resample.c of 13.0.0, the same since 3.4): float64, normalised, rounded
/// to 22 bits. `from` and `to` are the box's sides. @throws MediaError if the table would be too large.
ResampleAxis pillow_axis(int in, float from, float to, int out, Filter filter);

/// Weights as torchvision's uint8 antialias resize computes them: the same windows with 16-bit weights at the
/// highest precision that holds them all. @throws MediaError if the table would be too large.
ResampleAxis torchvision_axis(int in, int out, Filter filter);

}  // namespace mlx_vision::media
