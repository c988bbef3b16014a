#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "media/codec.h"

namespace mlx_vision::media {

/// What a PNG file holds besides compressed pixels, and where those lie. Which damage is an error and which
/// is passed over follows Pillow's reader: checksums count up to the first IDAT, nothing is needed behind the
/// last one.
struct PngChunks {
  int width = 0, height = 0, depth = 0, colour = 0;
  bool interlaced = false;
  int left = 0, top = 0, data_width = 0,
      data_height = 0;           ///< the part that the pixels fill; an APNG may say so
  std::vector<Bytes> data;       ///< payloads of the first run of IDAT chunks
  bool is_cut = false;           ///< the file ends inside the last of them
  Bytes palette;                 ///< PLTE payload, empty if none
  Bytes transparency;            ///< tRNS payload, empty if none
  std::optional<int> exif, xmp;  ///< orientation tags
};

/// @throws MediaError for broken chunks and sizes beyond the limits.
PngChunks read_png_chunks(const Source& source);

}  // namespace mlx_vision::media
