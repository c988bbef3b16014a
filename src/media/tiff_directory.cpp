#include "media/tiff_directory.h"

#include "media/byte_reader.h"

namespace mlx_vision::media {

std::optional<TiffEntry> find_tiff_entry(Bytes file, unsigned tag) {
  const ByteReader in(file, !file.empty() && file[0] == 'M');
  if (in.u16(2) != 42) return std::nullopt;
  const std::uint64_t directory = in.u32(4).value_or(0);
  const unsigned count = in.u16(directory).value_or(0);
  for (unsigned i = 0; i < count; ++i) {
    const std::uint64_t entry = directory + 2 + 12ull * i;
    if (in.u16(entry) == tag)
      return TiffEntry{in.u16(entry + 2).value_or(0), in.u32(entry + 4).value_or(0),
                       in.u16(entry + 8).value_or(0), in.u32(entry + 8).value_or(0)};
  }
  return std::nullopt;
}

}  // namespace mlx_vision::media
