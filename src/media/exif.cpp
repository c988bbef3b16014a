#include "media/exif.h"

#include <algorithm>
#include <cstring>

#include "media/byte_reader.h"

namespace mlx_vision::media {
namespace {

constexpr std::uint16_t kOrientation = 0x0112;

/// Bytes of one value of a TIFF field type; 0 for types that are passed over.
unsigned unit_size(unsigned type) {
  static constexpr std::uint8_t kSizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4};
  if (type == 16) return 8;
  return type < std::size(kSizes) ? kSizes[type] : 0;
}

/// Value of an integer field of `type`, which starts at `offset`.
std::optional<int> integer(const ByteReader& in, unsigned type, std::uint64_t offset) {
  if (type == 3) return in.u16(offset);
  if (type == 8) return std::int16_t(in.u16(offset).value_or(0));
  if (type == 4 || type == 9 || type == 13) return int(in.u32(offset).value_or(0));
  return std::nullopt;
}

std::optional<int> directory_orientation(const ByteReader& in, std::uint64_t at) {
  std::optional<int> found;
  const auto entries = in.u16(at);
  if (!entries) return found;
  for (unsigned i = 0; i < *entries; ++i) {
    const std::uint64_t entry = at + 2 + 12ull * i;
    if (!in.has(entry, 12)) break;
    const unsigned tag = *in.u16(entry), type = *in.u16(entry + 2);
    const std::uint64_t size = std::uint64_t(*in.u32(entry + 4)) * unit_size(type);
    if (size == 0) continue;
    const std::uint64_t data = size > 4 ? *in.u32(entry + 8) : entry + 8;
    if (!in.has(data, size)) break;
    if (tag == kOrientation) found = integer(in, type, data).value_or(0);
  }
  return found;
}

}  // namespace

std::optional<int> exif_orientation(std::span<const std::uint8_t> exif) {
  static constexpr char kPrefix[] = "Exif\0";  // with the terminating zero: six bytes
  for (int i = 0; i < 2 && exif.size() >= 6 && std::memcmp(exif.data(), kPrefix, 6) == 0; ++i)
    exif = exif.subspan(6);
  if (exif.size() < 8) return std::nullopt;
  const bool big = exif[0] == 'M' && exif[1] == 'M';
  if (!big && !(exif[0] == 'I' && exif[1] == 'I')) return std::nullopt;
  if ((exif[2] != 42 || exif[3] != 0) && (exif[2] != 0 || exif[3] != 42)) return std::nullopt;
  const ByteReader in(exif, big);
  return directory_orientation(in, *in.u32(4));
}

std::optional<int> xmp_orientation(std::string_view xmp) {
  static constexpr std::string_view kName = "tiff:Orientation";
  for (std::size_t at = xmp.find(kName); at != xmp.npos; at = xmp.find(kName, at + 1)) {
    std::string_view rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\""))
      rest.remove_prefix(2);
    else if (rest.starts_with(">"))
      rest.remove_prefix(1);
    else
      continue;
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
  }
  return std::nullopt;
}

int choose_orientation(std::optional<int> exif, std::optional<int> xmp) {
  const int value = exif ? *exif : xmp.value_or(1);
  return value >= 2 && value <= 8 ? value : 1;
}

}  // namespace mlx_vision::media
