"""Remakes tests/media/corpus: writes the own/ pictures and expected.json for all of them.

Needs a Python with Pillow 13.0.0 and numpy. Run from the repository's root.
"""

import json
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

CORPUS = Path("tests/media/corpus")
OUT_OF_SCOPE = {".tga", ".cur", ".container", ".xpm"}


def noise(seed, *shape):
    return np.random.RandomState(seed).randint(0, 256, shape, dtype=np.uint8)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, width, height, depth, colour, interlaced, damage_checksum=False):
    """A PNG of noise, all row filters, by hand: Pillow cannot write interlaced or every depth."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    rng = np.random.RandomState(depth * 10 + colour)

    def rows(w, h):
        size = (w * channels * depth + 7) // 8 if w > 0 else 0
        return b"".join(bytes([y % 5]) + rng.bytes(size) for y in range(h)) if size else b""

    if interlaced:
        passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
        raw = b"".join(rows(-((x - width) // dx), -((y - height) // dy)) for x, y, dx, dy in passes)
    else:
        raw = rows(width, height)
    data = bytearray(zlib.compress(raw))
    if damage_checksum:
        data[-1] ^= 1
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = png_chunk(b"PLTE", rng.bytes(3 * 11)) if colour == 3 else b""
    half = len(data) // 2
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + palette
        + png_chunk(b"IDAT", bytes(data[:half]))
        + png_chunk(b"IDAT", bytes(data[half:]))
        + png_chunk(b"IEND", b"")
    )


def write_own(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for colour, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
        for depth in depths:
            write_png(folder / f"c{colour}_d{depth}.png", 13, 9, depth, colour, 0)
            write_png(folder / f"c{colour}_d{depth}_interlaced.png", 13, 9, depth, colour, 1)
    write_png(folder / "wrong_checksum.png", 13, 9, 8, 2, 0, damage_checksum=True)

    rgb, rgba = Image.fromarray(noise(1, 21, 34, 3)), Image.fromarray(noise(2, 21, 34, 4))
    cmyk = Image.frombytes("CMYK", (34, 21), noise(3, 21, 34, 4).tobytes())
    gray16 = Image.fromarray(np.random.RandomState(4).randint(0, 600, (21, 34)).astype(np.uint16))
    floats = Image.fromarray((np.random.RandomState(5).rand(21, 34) * 500 - 100).astype(np.float32))
    palette = rgb.quantize(20)
    for mode, image in (("rgb", rgb), ("rgba", rgba), ("cmyk", cmyk), ("i16", gray16), ("f", floats), ("p", palette)):
        image.save(folder / f"{mode}_lzw.tiff", compression="tiff_lzw")
        image.save(folder / f"{mode}_raw.tiff")
    rgb.convert("YCbCr").save(folder / "ycbcr_raw.tiff")
    rgb.save(folder / "rgb_jpeg.tiff", compression="jpeg")
    rgb.convert("1").save(folder / "fax.tiff", compression="group4")
    for subsampling in (0, 1, 2):
        rgb.save(folder / f"sub{subsampling}.jpg", subsampling=subsampling)
    rgb.save(folder / "progressive.jpg", progressive=True)
    rgb.save(folder / "restart.jpg", restart_marker_blocks=1)
    cmyk.save(folder / "cmyk.jpg")
    jpeg = (folder / "sub2.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(jpeg[: len(jpeg) * 2 // 3])
    (folder / "no_end_marker.jpg").write_bytes(jpeg[:-2])
    rgba.save(folder / "lossy_alpha.webp", quality=60)
    rgba.save(folder / "lossless.webp", lossless=True, exact=True)
    rgba.save(folder / "animated.webp", save_all=True, append_images=[rgba.rotate(180)], lossless=True)
    rgba.save(folder / "alpha.avif", quality=70)
    palette.save(folder / "interlaced.gif", interlace=1)
    palette.save(folder / "transparent.gif", transparency=3)
    for maximum in (7, 255, 1000):
        size = 2 if maximum > 255 else 1
        values = np.random.RandomState(maximum).randint(0, maximum + 1, 9 * 4 * 3).astype(f">u{size}")
        (folder / f"p6_{maximum}.ppm").write_bytes(b"P6\n# comment\n9 4 %d\n" % maximum + values.tobytes())
        (folder / f"p5_{maximum}.pgm").write_bytes(b"P5 9 4\n%d\n" % maximum + values[:36].tobytes())
        text = b" ".join(b"%d" % v for v in values)
        (folder / f"p3_{maximum}.ppm").write_bytes(b"P3\n9 4\n%d #x\n" % maximum + text + b"\n")
    (folder / "p1.pbm").write_bytes(b"P1\n5 3\n01010 1#comment\n1001 00001\n")
    (folder / "float.pfm").write_bytes(b"Pf\n5 3\n-1.0\n" + (np.arange(15) * 25 - 40).astype("<f4").tobytes())
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        for extension in ("jpg", "png", "webp", "avif", "tiff"):
            rgb.crop((0, 0, 9, 5)).save(folder / f"exif{orientation}.{extension}", exif=exif)
    xmp = '<x:xmpmeta><rdf tiff:Orientation="%d"/></x:xmpmeta>'
    for orientation, compress in ((6, False), (8, True)):
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp % orientation, zip=compress)
        rgb.save(folder / f"xmp{orientation}.png", pnginfo=info)
        rgb.save(folder / f"xmp{orientation}.jpg", xmp=(xmp % orientation).encode())


def letterbox(image, side):
    ratio = image.width / image.height
    size = (side, int(side / ratio)) if ratio > 1 else (int(side * ratio), side)
    canvas = Image.new("RGB", (side, side))
    canvas.paste(image.resize(size, Image.LANCZOS), ((side - size[0]) // 2, (side - size[1]) // 2))
    return canvas


def expectation(path):
    try:
        with Image.open(path) as image:
            entry = {"format": "JPEG" if image.format == "MPO" else image.format, "mode": image.mode}
            if path.suffix in OUT_OF_SCOPE:
                return {"error": "out of scope"}
            # AVIF says so itself; elsewhere values that mean nothing count as 1.
            orientation = image.getexif().get(274, 1)
            rgb = ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:  # whatever the reference does not read, we must refuse
        return {"error": type(error).__name__}
    entry["orientation"] = orientation if orientation in range(2, 9) else 1
    entry["size"] = rgb.size
    entry["rgb"] = zlib.crc32(rgb.tobytes())
    entry["letterbox48"] = zlib.crc32(letterbox(rgb, 48).tobytes())
    entry["bicubic48x9"] = zlib.crc32(rgb.resize((48, 9), Image.BICUBIC).tobytes())
    return entry


def main():
    warnings.simplefilter("ignore")
    write_own(CORPUS / "own")
    files = sorted(p for p in CORPUS.rglob("*") if p.is_file() and p.name not in ("LICENSE", "expected.json"))
    expected = {str(p.relative_to(CORPUS)): expectation(p) for p in files}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in expected.items())
    (CORPUS / "expected.json").write_text("{\n" + lines + "\n}\n")
    print(len(expected), "files,", sum("error" in e for e in expected.values()), "expected errors", file=sys.stderr)


if __name__ == "__main__":
    main()
