#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "media/row_resampler.h"
#include "mlx_vision/image.h"

namespace mlx_vision::media {

/// What a resize makes of a picture of known size.
struct ResizeSpec {
  int width = 0, height = 0;
  Filter filter = Filter::bicubic;
  ResampleRule rule = ResampleRule::pillow13;
  std::optional<Box> box = std::nullopt;  ///< Pillow's rules only
};

/// `[height, width, 3]` bytes in the caller's memory, packed.
struct RgbView {
  const std::uint8_t* data = nullptr;
  int width = 0, height = 0;
};

/// False where a resize is a crop, picks nearest pixels or takes two steps, so that it has no plan of passes.
/// @throws MediaError as resample
bool has_two_passes(int width, int height, const ResizeSpec& spec);

/// The passes over a picture of `width x height`; only where has_two_passes says so.
ResizePasses plan_passes(int width, int height, const ResizeSpec& spec);

/// `[spec.height, spec.width, 3]`, packed. Bit-exact with the rule that the spec names.
/// @throws MediaError for sides below 1, results above the decode limits, a box outside the picture, or a
/// filter that torchvision's rule does not have.
std::vector<std::uint8_t> resample(const RgbView& image, const ResizeSpec& spec);

}  // namespace mlx_vision::media
