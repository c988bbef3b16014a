#pragma once

namespace mlx_vision::kernels {

/// A run of float32 values as integers of 24 bits, relative to the greatest of them, each in three signed
/// bytes.
inline constexpr int kDigits = 3;
inline constexpr float kLargest = 127 * 65536 + 127 * 256 + 127;  ///< that these hold
inline constexpr float kTiny = 1e-30f;  ///< a run below it counts as zeros: the reciprocal would be infinite

}  // namespace mlx_vision::kernels
