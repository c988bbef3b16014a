#pragma once
#include <cstdint>
#include <optional>

#include "media/codec.h"

namespace mlx_vision::media {

/// A directory entry as stored; libtiff repairs types and counts and then no longer tells them.
struct TiffEntry {
  unsigned type = 0;
  std::uint64_t count = 0;
  std::uint32_t value = 0;   ///< the first, of a SHORT that the entry itself holds
  std::uint64_t offset = 0;  ///< of the values in the file, where they need more than four bytes
};

/// The entry of `tag` in the first directory; nothing if there is none, and for BigTIFF.
std::optional<TiffEntry> find_tiff_entry(Bytes file, unsigned tag);

}  // namespace mlx_vision::media
