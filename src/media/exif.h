#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace mlx_vision::media {

/// The Orientation tag of an EXIF block ("Exif\0\0" in front is allowed), with any value that the file holds;
/// nothing if there is none. Reads the first directory only and stops at the first damaged entry, as Pillow
/// does.
std::optional<int> exif_orientation(std::span<const std::uint8_t> exif);

/// The digit behind `tiff:Orientation="` or `tiff:Orientation>`, wherever it stands.
std::optional<int> xmp_orientation(std::string_view xmp);

/// EXIF before XMP; 1 for nothing and for values that mean nothing.
int choose_orientation(std::optional<int> exif, std::optional<int> xmp);

}  // namespace mlx_vision::media
