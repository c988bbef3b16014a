#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "mlx_vision/image.h"

namespace mlx_vision::media {

/// The order of operations that turns a byte into a normalised float; references differ in the last bit.
enum class RescaleOrder {
  hf_pil,  ///< float32(v * factor in float64), then (x - mean) / std in float32: transformers' *Pil classes
  f32_multiply,  ///< float32(v) * float32(factor), then (x - mean) / std in float32
  f32_divide,    ///< float32(v) / float32(1 / factor) (that is, v / 255), then (x - mean) / std in float32
  f64,           ///< (v * factor - mean) / std in float64, then float32: numpy code that never leaves float64
  f32_then_f64,  ///< float32(v) / 255 in float32, then (x - mean) / std in float64: numpy, mean not cast
  fused,         ///< (v - mean * 255) / (std * 255) in float32: transformers' torchvision classes
};

/// A value of a pixel depends on its channel and its byte only, so three tables of 256 floats hold every
/// order of operations exactly. Immutable; safe from any thread.
class NormalizeTable {
 public:
  using Channels = std::array<double, 3>;

  /// `factor` is the rescale factor, commonly 1/255.
  NormalizeTable(const Channels& mean, const Channels& std, RescaleOrder order, double factor = 1.0 / 255.0);
  /// Rescaling only; mean and std are not applied (not even as 0 and 1).
  static NormalizeTable rescale_only(RescaleOrder order, double factor = 1.0 / 255.0);

  /// The byte whose value is nearest: the inverse.
  std::uint8_t nearest(int channel, float value) const;
  float operator()(int channel, std::uint8_t value) const { return table_[std::size_t(channel)][value]; }
  const std::array<float, 256>& channel(int c) const { return table_[std::size_t(c)]; }

 private:
  NormalizeTable() = default;
  std::array<std::array<float, 256>, 3> table_ = {};
};

/// Writes `[3, height, width]` float planes. @throws MediaError unless `out` holds exactly 3 * width *
/// height.
void write_planes(const Image& image, const NormalizeTable& table, std::span<float> out);

/// Writes `[height, width, 3]`. @throws MediaError unless `out` holds exactly 3 * width * height.
void write_interleaved(const Image& image, const NormalizeTable& table, std::span<float> out);

/// The picture of `[3, height, width]` planes, to see what they hold: the inverse of write_planes.
/// @throws MediaError unless `planes` holds exactly 3 * width * height.
Image read_planes(std::span<const float> planes, int width, int height, const NormalizeTable& table);

}  // namespace mlx_vision::media
