#include "media/foreign_formats.h"

#include <array>
#include <cstring>

namespace mlx_vision::media {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::size_t offset;
  std::string_view bytes, format;
};

constexpr auto kSignatures = std::to_array<Signature>({
    {0, "\0\0\1\0"sv, "a Windows icon"},
    {0, "\0\0\2\0"sv, "a Windows cursor"},
    {0, "\0\0\0\x0cjP  \r\n\x87\n"sv, "JPEG 2000"},
    {0, "\xff\x4f\xff\x51"sv, "a JPEG 2000 codestream"},
    {0, "\xff\x0a"sv, "JPEG XL"},
    {0, "\0\0\0\x0cJXL \r\n\x87\n"sv, "JPEG XL"},
    {0, "8BPS"sv, "a Photoshop document"},
    {0, "/* XPM */"sv, "an X pixmap (XPM)"},
    {0, "#define "sv, "an X bitmap (XBM)"},
    {0, "P7\n"sv, "PAM"},
    {0, "PF\n"sv, "a colour PFM"},
    {0, "qoif"sv, "QOI"},
    {0, "DDS "sv, "a DirectDraw surface"},
    {0, "icns"sv, "an Apple icon"},
    {0, "\x76\x2f\x31\x01"sv, "OpenEXR"},
    {0, "#?RADIANCE"sv, "Radiance HDR"},
    {0, "%PDF-"sv, "a PDF document"},
    {0, "%!PS"sv, "PostScript"},
    {0, "<svg"sv, "an SVG drawing"},
    {0, "<?xml"sv, "an XML document"},
    {0, "<!DOCTYPE"sv, "a web page"},
    {0, "<!doctype"sv, "a web page"},
    {0, "<html"sv, "a web page"},
    {0, "version https://git-lfs"sv, "a Git LFS pointer, not the file itself"},
    {4, "ftypmp4"sv, "an MP4 film"},
    {4, "ftypisom"sv, "an MP4 film"},
    {4, "ftypqt"sv, "a QuickTime film"},
    {0, "\x1a\x45\xdf\xa3"sv, "a Matroska or WebM film"},
});

bool is_targa(Bytes bytes) {
  constexpr auto kFooter = "TRUEVISION-XFILE.\0"sv;
  return bytes.size() > kFooter.size() &&
         std::memcmp(bytes.data() + bytes.size() - kFooter.size(), kFooter.data(), kFooter.size()) == 0;
}

}  // namespace

std::string_view foreign_format(Bytes bytes) {
  if (bytes.empty()) return "an empty file";
  for (const Signature& s : kSignatures)
    if (bytes.size() >= s.offset + s.bytes.size() &&
        std::memcmp(bytes.data() + s.offset, s.bytes.data(), s.bytes.size()) == 0)
      return s.format;
  return is_targa(bytes) ? "a Targa picture" : "other data";
}

}  // namespace mlx_vision::media
