#pragma once
#include <cstdint>

namespace mlx_vision::cli {

inline constexpr int kGlyphWidth = 8, kGlyphHeight = 13, kGlyphFirst = 32, kGlyphCount = 224;

/// A bitmap font of Latin-1 from kGlyphFirst on: a byte per row from the top, the highest bit at the left.
extern const std::uint8_t kGlyphs[kGlyphCount][kGlyphHeight];

}  // namespace mlx_vision::cli
