"""Remakes src/cli/glyphs.cpp, the letters that `mlx-vision see` writes on its sheets.

    tools/make_font.py 8x13-ISO8859-1.pcf.gz

The font is X.Org's font-misc-misc 8x13, "Public domain font.  Share and enjoy."; Debian has it in the package xfonts-base.
Needs a Python with Pillow. Run from the repository's root.
"""
import gzip
import sys
from pathlib import Path

from PIL.PcfFontFile import PcfFontFile

WIDTH, HEIGHT, ASCENT = 8, 13, 11
CODES = range(32, 256)

HEAD = """// Size: one row per character. Made by tools/make_font.py from X.Org's font-misc-misc 8x13, whose notice reads:
// "Public domain font.  Share and enjoy."
#include "cli/glyphs.h"

namespace mlx_vision::cli {

// clang-format off
const std::uint8_t kGlyphs[kGlyphCount][kGlyphHeight] = {
"""
TAIL = """};
// clang-format on

}  // namespace mlx_vision::cli
"""


def rows(font, code):
    glyph = font.glyph[code]
    if glyph is None:
        return [0] * HEIGHT
    _, (left, top, _, _), _, image = glyph
    pixels, out = image.load(), []
    for y in range(HEIGHT):
        inside = range(max(0, -left), min(image.width, WIDTH - left)) if 0 <= y - ASCENT - top < image.height else ()
        out.append(sum(0x80 >> (x + left) for x in inside if pixels[x, y - ASCENT - top]))
    return out


def main():
    with gzip.open(sys.argv[1]) as file:
        font = PcfFontFile(file)
    lines = ["  {" + ", ".join(f"0x{row:02x}" for row in rows(font, code)) + "}," for code in CODES]
    Path("src/cli/glyphs.cpp").write_text(HEAD + "\n".join(lines) + "\n" + TAIL)


if __name__ == "__main__":
    main()
