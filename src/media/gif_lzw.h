#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "media/codec.h"

namespace mlx_vision::media {

/// The data blocks of one GIF picture.
struct GifData {
  std::uint64_t offset = 0;  ///< of the first block
  int code_bits = 0;
  int width = 0, height = 0;
  bool interlaced = false;
};

/// `width * height` palette indices in order of rows. Damage that Pillow tolerates (a table that stays full,
/// blocks behind an early terminator) is tolerated; whatever it refuses is refused. @throws MediaError
std::vector<std::uint8_t> decode_gif_data(const Source& source, const GifData& data);

}  // namespace mlx_vision::media
