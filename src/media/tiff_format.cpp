#ifdef MLX_VISION_HAVE_TIFF
#include "media/tiff_format.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "media/convert.h"
#include "media/exif.h"
#include "media/tiff_directory.h"

namespace mlx_vision::media {
namespace {

struct Tags {
  std::uint32_t width = 0, height = 0;
  std::uint16_t photometric = 0, bits = 1, samples = 1, planar = PLANARCONFIG_CONTIG,
                fill_order = FILLORDER_MSB2LSB;
  std::uint16_t sample_format = SAMPLEFORMAT_UINT, compression = COMPRESSION_NONE, orientation = 0;
  std::vector<std::uint16_t> extra;
};

Tags read_tags(const Source& source, TIFF* tiff) {
  Tags tags;
  if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &tags.width) ||
      !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &tags.height))
    source.fail("TIFF data are damaged: the size is missing");
  source.check_size(tags.width, tags.height);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &tags.photometric);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &tags.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &tags.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &tags.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_FILLORDER, &tags.fill_order);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &tags.sample_format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &tags.compression);
  TIFFGetField(tiff, TIFFTAG_ORIENTATION, &tags.orientation);
  std::uint16_t count = 0;
  std::uint16_t* values = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &values) && values != nullptr)
    tags.extra.assign(values, values + count);
  if (tags.compression == COMPRESSION_OJPEG) tags.photometric = PHOTOMETRIC_YCBCR;
  return tags;
}

/// Pillow takes these tags for numbers only where they are stored as SHORT or LONG.
void check_types(const Source& source) {
  for (const unsigned tag :
       {TIFFTAG_IMAGEWIDTH, TIFFTAG_IMAGELENGTH, TIFFTAG_BITSPERSAMPLE, TIFFTAG_COMPRESSION,
        TIFFTAG_PHOTOMETRIC, TIFFTAG_FILLORDER, TIFFTAG_SAMPLESPERPIXEL, TIFFTAG_PLANARCONFIG,
        TIFFTAG_SAMPLEFORMAT, TIFFTAG_EXTRASAMPLES}) {
    const auto entry = find_tiff_entry(source.bytes, tag);
    if (entry && entry->type != TIFF_SHORT && entry->type != TIFF_LONG)
      source.fail("TIFF data are damaged: expected tag " + std::to_string(tag) +
                  " to hold numbers, got type " + std::to_string(entry->type));
  }
}

/// libtiff calls a picture gray whose colour map it cannot read.
void check_colour_map(const Source& source, const Tags& tags) {
  const auto photometric = find_tiff_entry(source.bytes, TIFFTAG_PHOTOMETRIC);
  if (!photometric || photometric->value != PHOTOMETRIC_PALETTE) return;
  const auto map = find_tiff_entry(source.bytes, TIFFTAG_COLORMAP);
  const std::uint64_t values = 3ull << std::min<unsigned>(tags.bits, 16);
  if (!map || map->type != TIFF_SHORT || map->count != values ||
      map->offset + 2 * values > source.bytes.size())
    source.fail("TIFF data are damaged: the colour map cannot be read");
}

bool is_known(std::uint16_t compression) {
  static constexpr std::uint16_t kKnown[] = {1, 2,     3,     4,     5,     6,     7,
                                             8, 32771, 32773, 32809, 32946, 34925, 50000};
  return std::find(std::begin(kKnown), std::end(kKnown), compression) != std::end(kKnown);
}

/// Gray: one sample of many kinds, or two of 8 bits.
bool choose_gray(const Tags& tags, TiffFormat& format) {
  const bool is_uint = tags.sample_format == SAMPLEFORMAT_UINT,
             is_int = tags.sample_format == SAMPLEFORMAT_INT;
  const bool dark_first = tags.photometric == PHOTOMETRIC_MINISBLACK;
  const bool msb = tags.fill_order == FILLORDER_MSB2LSB, little = !format.big_endian;
  format.inverted = !dark_first;
  if (tags.samples == 2) {
    format.kind = TiffKind::gray8;
    format.mode = tags.extra == std::vector<std::uint16_t>{2} ? "LA" : "L";
    format.alpha = format.mode == "LA" ? TiffAlpha::plain : TiffAlpha::none;
    return dark_first && is_uint && msb && tags.bits == 8 && tags.extra.size() == 1 &&
           (tags.extra[0] & 1) == 0 && tags.extra[0] <= 2;
  }
  if (tags.samples != 1 || !tags.extra.empty()) return false;
  if (tags.bits <= 8) {
    format.kind = tags.bits == 8 ? TiffKind::gray8 : TiffKind::bits;
    format.mode = tags.bits == 1 ? "1" : "L";
    return std::has_single_bit(tags.bits) && (is_uint || (is_int && tags.bits == 8 && dark_first && msb));
  }
  format.inverted = false;
  if (tags.bits == 32 && tags.sample_format == SAMPLEFORMAT_IEEEFP) {
    format.kind = TiffKind::gray_float;
    format.mode = "F";
    return msb;
  }
  format.kind = TiffKind::gray16;
  format.is_signed = is_int || tags.bits == 32;
  format.mode = format.is_signed ? "I" : little ? "I;16" : "I;16B";
  if (tags.bits == 12) return dark_first && is_uint && msb && little;
  if (tags.bits == 16 && is_uint) return dark_first ? msb || little : msb && little;
  return (tags.bits == 16 || tags.bits == 32) && msb && dark_first && (is_int || (is_uint && little));
}

/// Alpha of the samples behind `colours` colour samples; false for kinds that Pillow does not know.
bool choose_alpha(const Tags& tags, int colours, TiffFormat& format) {
  const int more = tags.samples - colours;
  if (more == 0) return tags.extra.empty();
  if (tags.extra.empty()) {
    format.alpha = TiffAlpha::plain;
    return more == 1;
  }
  if (int(tags.extra.size()) != more || more > 3) return false;
  if (std::any_of(tags.extra.begin() + 1, tags.extra.end(), [](std::uint16_t v) { return v != 0; }))
    return false;
  const std::uint16_t kind = tags.extra[0];
  format.alpha = kind == EXTRASAMPLE_ASSOCALPHA ? TiffAlpha::premultiplied
                 : kind == 0                    ? TiffAlpha::none
                                                : TiffAlpha::plain;
  return kind <= 2 || (kind == 999 && more == 1);
}

bool choose_rgb(const Tags& tags, TiffFormat& format) {
  format.kind = TiffKind::rgb;
  const bool msb = tags.fill_order == FILLORDER_MSB2LSB;
  if (tags.sample_format != SAMPLEFORMAT_UINT || tags.samples < 3 || !choose_alpha(tags, 3, format))
    return false;
  format.mode = format.alpha == TiffAlpha::none ? "RGB" : "RGBA";
  if (tags.bits == 16) return msb && tags.samples <= 4;
  return tags.bits == 8 && (msb || tags.samples == 3);
}

bool choose_cmyk(const Tags& tags, TiffFormat& format) {
  format.kind = TiffKind::cmyk;
  format.mode = "CMYK";
  if (tags.sample_format != SAMPLEFORMAT_UINT || tags.fill_order != FILLORDER_MSB2LSB || tags.samples < 4)
    return false;
  const bool plain =
      std::all_of(tags.extra.begin(), tags.extra.end(), [](std::uint16_t v) { return v == 0; });
  if (!plain || int(tags.extra.size()) != tags.samples - 4) return false;
  return (tags.bits == 8 && tags.samples <= 6) || (tags.bits == 16 && tags.samples == 4);
}

bool choose_ycbcr(const Tags& tags, TiffFormat& format) {
  if (tags.sample_format != SAMPLEFORMAT_UINT || tags.bits != 8 || !tags.extra.empty()) return false;
  if (tags.samples == 1 && format.is_raw()) {
    format.kind = TiffKind::gray8;
    format.mode = "L";
    return true;
  }
  format.mode = format.is_raw() ? "YCbCr" : "RGB";
  format.jpeg_rgb = tags.compression == COMPRESSION_JPEG && !format.separate;
  format.kind = format.is_raw() ? TiffKind::ycbcr : format.jpeg_rgb ? TiffKind::rgb : TiffKind::library_rgba;
  return tags.samples == 3 || tags.compression == COMPRESSION_OJPEG;
}

bool choose_palette(const Source& source, TIFF* tiff, const Tags& tags, TiffFormat& format) {
  format.kind = TiffKind::palette;
  format.mode = tags.extra == std::vector<std::uint16_t>{2} ? "PA" : "P";
  const bool one =
      tags.samples == 1 && tags.extra.empty() && tags.bits <= 8 && std::has_single_bit(tags.bits);
  const bool two = tags.samples == 2 && tags.bits == 8 && tags.extra.size() == 1 &&
                   (tags.extra[0] == 0 || tags.extra[0] == 2) && tags.fill_order == FILLORDER_MSB2LSB;
  if (tags.sample_format != SAMPLEFORMAT_UINT || !(one || two)) return false;
  if (format.mode == "PA") format.alpha = TiffAlpha::plain;
  std::uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
  if (!TIFFGetField(tiff, TIFFTAG_COLORMAP, &red, &green, &blue))
    source.fail("TIFF data are damaged: no colour map");
  for (std::size_t i = 0; i < std::size_t(1) << tags.bits; ++i)
    format.palette[i] = {std::uint8_t(red[i] >> 8), std::uint8_t(green[i] >> 8), std::uint8_t(blue[i] >> 8)};
  return true;
}

bool choose(const Source& source, TIFF* tiff, const Tags& tags, TiffFormat& format) {
  switch (tags.photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
      return choose_gray(tags, format);
    case PHOTOMETRIC_RGB:
      return choose_rgb(tags, format);
    case PHOTOMETRIC_PALETTE:
      return choose_palette(source, tiff, tags, format);
    case PHOTOMETRIC_SEPARATED:
      return choose_cmyk(tags, format);
    case PHOTOMETRIC_YCBCR:
      return choose_ycbcr(tags, format);
    default:
      return false;
  }
}

/// Samples of one row, by bit depth.
struct Row {
  const std::uint8_t* data;
  const TiffFormat& format;

  unsigned byte_at(std::size_t i) const { return data[i]; }
  std::uint32_t wide(std::size_t index, std::size_t size) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value = value << 8 | data[index * size + (format.big_endian ? i : size - 1 - i)];
    return value;
  }
  unsigned packed(std::size_t x) const {
    const std::size_t at = x * std::size_t(format.bits);
    return unsigned(data[at / 8] >> (8 - std::size_t(format.bits) - at % 8)) & ((1u << format.bits) - 1);
  }
  unsigned twelve(std::size_t x) const {
    const std::uint8_t* pair = data + x / 2 * 3;
    return x % 2 == 0 ? unsigned(pair[0]) << 4 | pair[1] >> 4 : (pair[1] & 15u) << 8 | pair[2];
  }
  /// 8-bit value of a sample, the high byte of a 16-bit one.
  std::uint8_t sample(std::size_t index) const {
    return format.bits == 16 ? std::uint8_t(wide(index, 2) >> 8) : data[index];
  }
  std::uint8_t clipped(std::size_t x) const {
    if (format.bits == 12) return clip_gray16(twelve(x));
    const std::uint32_t value = wide(x, std::size_t(format.bits) / 8);
    const auto number = format.bits == 16 ? std::int32_t(std::int16_t(value)) : std::int32_t(value);
    if (format.is_signed) return clip_gray16(std::uint32_t(std::max(number, 0)));
    return clip_gray16(value);
  }
};

std::uint8_t gray_value(const Row& row, std::size_t x) {
  const TiffFormat& format = row.format;
  if (format.kind == TiffKind::gray16) return row.clipped(x);
  if (format.kind == TiffKind::gray_float) return clip_float(std::bit_cast<float>(row.wide(x, 4)));
  static constexpr std::uint8_t kScale[5] = {0, 255, 85, 0, 17};
  const unsigned value = format.kind == TiffKind::bits ? row.packed(x) * kScale[format.bits]
                                                       : row.byte_at(x * std::size_t(format.samples));
  return std::uint8_t(format.inverted ? 255 - value : value);
}

/// Undoes a multiplication by alpha, truncating as Pillow's unpackRGBa.
void divide_by_alpha(std::uint8_t* rgba) {
  const unsigned alpha = rgba[3];
  for (int c = 0; c < 3 && alpha != 255; ++c)
    rgba[c] = alpha == 0 ? std::uint8_t(0) : std::uint8_t(std::min(rgba[c] * 255u / alpha, 255u));
}

/// Pillow's 6-bit tables, whose entries are cut off behind + 0.5.
void ycbcr_to_rgb(const std::uint8_t* in, std::uint8_t* out) {
  const auto part = [](int chroma, double factor) { return int((chroma - 128) * factor * 64 + 0.5); };
  const int y = in[0], cb = in[1], cr = in[2];
  out[0] = std::uint8_t(std::clamp(y + (part(cr, 1.402) >> 6), 0, 255));
  out[1] = std::uint8_t(std::clamp(y + ((part(cb, -0.34414) + part(cr, -0.71414)) >> 6), 0, 255));
  out[2] = std::uint8_t(std::clamp(y + (part(cb, 1.772) >> 6), 0, 255));
}

/// One pixel with its alpha, 255 where there is none.
void read_pixel(const Row& row, std::size_t x, std::uint8_t* rgba) {
  const TiffFormat& format = row.format;
  const std::size_t at = x * std::size_t(format.samples);
  rgba[3] = 255;
  switch (format.kind) {
    case TiffKind::rgb:
      for (std::size_t c = 0; c < 3; ++c) rgba[c] = row.sample(at + c);
      if (format.alpha != TiffAlpha::none) rgba[3] = row.sample(at + 3);
      if (format.alpha == TiffAlpha::premultiplied) divide_by_alpha(rgba);
      return;
    case TiffKind::palette: {
      const unsigned index = format.bits == 8 ? row.byte_at(at) : row.packed(x);
      std::copy_n(format.palette[index].begin(), 3, rgba);
      if (format.alpha != TiffAlpha::none) rgba[3] = row.data[at + 1];
      return;
    }
    case TiffKind::cmyk: {
      std::uint8_t ink[4];
      for (std::size_t c = 0; c < 4; ++c) ink[c] = row.sample(at + c);
      cmyk_to_rgb(ink, rgba, 1);
      return;
    }
    case TiffKind::ycbcr:
      ycbcr_to_rgb(row.data + at, rgba);
      return;
    default:
      std::memset(rgba, gray_value(row, x), 3);
      if (format.alpha != TiffAlpha::none) rgba[3] = row.data[at + 1];
  }
}

}  // namespace

TiffFormat read_tiff_format(const Source& source, TIFF* tiff) {
  check_types(source);
  Tags tags = read_tags(source, tiff);
  check_colour_map(source, tags);
  TiffFormat format;
  format.width = int(tags.width);
  format.height = int(tags.height);
  format.separate = tags.planar == PLANARCONFIG_SEPARATE && tags.samples > 1;
  format.compression = tags.compression;
  format.big_endian = TIFFIsBigEndian(tiff) != 0;
  format.reversed_bits = format.is_raw() && tags.fill_order == FILLORDER_LSB2MSB;
  const bool no_meaning =
      std::all_of(tags.extra.begin(), tags.extra.end(), [](std::uint16_t v) { return v == 0; });
  if (format.separate && no_meaning && tags.samples > tags.extra.size()) {
    // Unspecified planes at the end are not looked at.
    tags.samples = std::uint16_t(tags.samples - tags.extra.size());
    tags.extra.clear();
  }
  format.bits = tags.bits;
  format.samples = tags.samples;
  if (!is_known(tags.compression))
    source.fail("TIFF: compression " + std::to_string(tags.compression) + " is not supported");
  if (tags.photometric == PHOTOMETRIC_CIELAB) source.fail("TIFF: CIE Lab colours are not supported");
  if (!choose(source, tiff, tags, format))
    source.fail("TIFF: photometric interpretation " + std::to_string(tags.photometric) + " with " +
                std::to_string(tags.samples) + " samples of " + std::to_string(tags.bits) +
                " bits is not supported");
  std::uint32_t size = 0;
  void* xmp = nullptr;
  std::optional<int> xmp_value;
  if (TIFFGetField(tiff, TIFFTAG_XMLPACKET, &size, &xmp) && xmp != nullptr)
    xmp_value = xmp_orientation({static_cast<const char*>(xmp), size});
  const std::optional<int> own = tags.orientation != 0 ? std::optional<int>(tags.orientation) : std::nullopt;
  format.orientation = choose_orientation(own, xmp_value);
  // The library hands out decompressed samples in the machine's order.
  if (!format.is_raw()) format.big_endian = std::endian::native == std::endian::big;
  return format;
}

void convert_tiff_row(const TiffFormat& format, const std::uint8_t* in, std::uint8_t* out, std::size_t count,
                      AlphaMode alpha) {
  const Row row{in, format};
  for (std::size_t x = 0; x < count; ++x, out += 3) {
    std::uint8_t rgba[4];
    read_pixel(row, x, rgba);
    put_rgba(rgba, out, alpha);
  }
}

}  // namespace mlx_vision::media
#endif  // MLX_VISION_HAVE_TIFF
