#include <algorithm>
#include <cstring>

#include "media/byte_reader.h"
#include "media/codec.h"
#include "media/foreign_formats.h"
#include "media/orientation.h"
#include "mlx_vision/error.h"

namespace mlx_vision::media {
namespace {

using Decoder = Picture (*)(const Source&);

bool has_at(Bytes bytes, std::size_t offset, std::string_view text) {
  return bytes.size() >= offset + text.size() &&
         std::memcmp(bytes.data() + offset, text.data(), text.size()) == 0;
}

bool is_tiff(Bytes b) {
  using namespace std::string_view_literals;
  for (std::string_view magic :
       {"II\x2a\0"sv, "MM\0\x2a"sv, "II\0\x2a"sv, "MM\x2a\0"sv, "II\x2b\0"sv, "MM\0\x2b"sv})
    if (has_at(b, 0, magic)) return true;
  return false;
}

bool is_pnm(Bytes b) {
  return b.size() > 2 && b[0] == 'P' && ((b[1] >= '1' && b[1] <= '6') || b[1] == 'f') &&
         (b[2] == ' ' || (b[2] >= '\t' && b[2] <= '\r'));
}

/// Brands of the file type box, the major one first; containers of both kinds may call themselves mif1.
Decoder iso_media_decoder(Bytes b) {
  const std::size_t size =
      std::min<std::size_t>(ByteReader(b, true).u32(0).value_or(0), std::min<std::size_t>(b.size(), 256));
  for (std::size_t at = 8; at + 4 <= size; at += at == 8 ? 8 : 4) {
    for (std::string_view brand : {"avif", "avis"})
      if (has_at(b, at, brand)) return decode_avif;
    for (std::string_view brand : {"heic", "heix", "hevc", "hevx", "heim", "heis"})
      if (has_at(b, at, brand)) return decode_heic;
  }
  return nullptr;
}

void check_bytes(const Source& source) {
  if (source.bytes.size() > source.options.limits.file_bytes)
    source.fail("expected at most " + std::to_string(source.options.limits.file_bytes) + " bytes, got " +
                std::to_string(source.bytes.size()));
}

Decoder find_decoder(Bytes b) {
  using namespace std::string_view_literals;
  if (has_at(b, 0, "\xff\xd8\xff")) return decode_jpeg;
  if (has_at(b, 0, "\x89PNG\r\n\x1a\n")) return decode_png;
  if (has_at(b, 0, "RIFF") && has_at(b, 8, "WEBPVP8")) return decode_webp;
  if (has_at(b, 0, "GIF87a") || has_at(b, 0, "GIF89a")) return decode_gif;
  if (has_at(b, 0, "BM")) return decode_bmp;
  if (is_tiff(b)) return decode_tiff;
  if (has_at(b, 4, "ftyp")) return iso_media_decoder(b);
  return is_pnm(b) ? decode_pnm : nullptr;
}

}  // namespace

void Source::fail(std::string_view why) const {
  std::string text = name;
  text.append(": ").append(why);
  throw MediaError(text);
}

void Source::truncated(std::string_view format, std::string_view why) const {
  std::string text(format);
  text.append(" data are truncated: ").append(why);
  fail(text);
}

void Source::check_size(std::int64_t width, std::int64_t height) const {
  const DecodeLimits& limits = options.limits;
  const std::string size = std::to_string(width) + "x" + std::to_string(height);
  if (width < 1 || height < 1) fail("expected a picture of at least 1x1 pixels, got " + size);
  if (width > limits.side || height > limits.side)
    fail("expected at most " + std::to_string(limits.side) + " pixels a side, got " + size);
  if (std::uint64_t(width) * std::uint64_t(height) > limits.pixels)
    fail("expected at most " + std::to_string(limits.pixels) + " pixels, got " + size);
}

Picture Picture::header(const ImageInfo& info) {
  return {.width = info.width, .height = info.height, .rgb = {}, .info = info};
}

Picture Picture::blank(const ImageInfo& info) {
  Picture picture = header(info);
  picture.rgb.resize(std::size_t(info.width) * std::size_t(info.height) * 3);
  return picture;
}

bool is_jpeg(const Source& source) {
  check_bytes(source);
  return find_decoder(source.bytes) == decode_jpeg;
}

Picture decode(const Source& source) {
  check_bytes(source);
  const Decoder decoder = find_decoder(source.bytes);
  if (decoder == nullptr)
    source.fail("expected a picture (JPEG, PNG, WebP, GIF, BMP, PNM, TIFF, AVIF or HEIC), got " +
                std::string(foreign_format(source.bytes)));
  Picture picture = decoder(source);
  const int orientation = picture.info.orientation;
  if (source.header_only) return picture;
  return source.options.apply_orientation ? oriented(std::move(picture), orientation) : std::move(picture);
}

}  // namespace mlx_vision::media
