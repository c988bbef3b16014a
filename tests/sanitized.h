#pragma once

namespace mlx_vision::test {

/// Whether a sanitizer watches this build: it keeps what was freed, and takes several times as long.
#ifdef MLX_VISION_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace mlx_vision::test
