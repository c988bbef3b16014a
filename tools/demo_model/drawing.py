"""Pictures of the demo model's world: backgrounds, coloured shapes, printed text, bar charts. Needs Pillow and numpy.

Everything is drawn from a numpy Generator, so that a seed gives the same picture on every machine with the same Pillow.
"""
from __future__ import annotations

import functools
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

COLOURS = {"red": (215, 35, 40), "orange": (246, 135, 20), "yellow": (246, 222, 40), "green": (40, 155, 62),
           "blue": (38, 84, 212), "purple": (128, 48, 165), "pink": (246, 140, 188), "black": (20, 20, 23),
           "white": (248, 248, 246)}
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "diamond", "moon")
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
FONTS = ("LiberationSans-Bold.ttf", "LiberationSerif-Regular.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono-Oblique.ttf",
         "ComicNeue-Bold.otf", "ComicNeue-Regular.otf")
LARGE, SMALL = (0.165, 0.215), (0.085, 0.115)  # radius as a share of the picture's short side
SUPERSAMPLE = 3
COLOUR_NAMES = tuple(COLOURS)


@dataclass
class Shape:
    kind: str
    colour: str
    size: str  # large or small
    x: float  # centre and radius, pixels
    y: float
    r: float


@dataclass
class Text:
    text: str  # as printed
    colour: str
    centre: tuple[float, float]
    angle: float  # degrees, counter-clockwise
    edges: list[float]  # x of the characters' edges, from the centre, before rotation
    height: float


@dataclass
class Bar:
    colour: str
    box: tuple[int, int, int, int]
    level: float  # height as a share of the axis


@dataclass
class Scene:
    """One picture and what is in it."""
    image: Image.Image
    shapes: list[Shape] = field(default_factory=list)  # from left to right
    text: Text | None = None
    bars: list[Bar] = field(default_factory=list)  # from left to right

    def labels(self, columns: int, rows: int) -> np.ndarray:
        """`[rows, columns, 3]` of uint8: what stands at the centre of each cell of a grid over the picture, as shape
        (0 none, then SHAPES, then bar), colour (0 none, then COLOURS), character (0 none, then CHARACTERS)."""
        out = np.zeros((rows, columns, 3), np.uint8)
        x = ((np.arange(columns) + 0.5) * self.image.width / columns)[None, :]
        y = ((np.arange(rows) + 0.5) * self.image.height / rows)[:, None]
        for s in self.shapes:
            inside = (x - s.x) ** 2 + (y - s.y) ** 2 < (0.85 * s.r) ** 2
            out[inside, 0], out[inside, 1] = 1 + SHAPES.index(s.kind), 1 + COLOUR_NAMES.index(s.colour)
        for b in self.bars:
            inside = (x >= b.box[0]) & (x <= b.box[2]) & (y >= b.box[1]) & (y <= b.box[3])
            out[inside, 0], out[inside, 1] = 1 + len(SHAPES), 1 + COLOUR_NAMES.index(b.colour)
        if self.text:
            a = np.deg2rad(self.text.angle)
            dx, dy = x - self.text.centre[0], y - self.text.centre[1]
            u, v = dx * np.cos(a) - dy * np.sin(a), dx * np.sin(a) + dy * np.cos(a)
            for i, c in enumerate(self.text.text.upper()):
                inside = (u >= self.text.edges[i]) & (u < self.text.edges[i + 1]) & (abs(v) < self.text.height / 2)
                out[inside, 1], out[inside, 2] = 1 + COLOUR_NAMES.index(self.text.colour), 1 + CHARACTERS.index(c)
        return out


# ---- backgrounds

def _upsampled(grid: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(grid.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))


def cloud(rng, width: int, height: int, octaves: int = 4) -> np.ndarray:
    """Noise whose power falls with frequency, as in photographs; `[height, width]` about -1 to 1."""
    out = np.zeros((height, width), np.float32)
    cells, weight = 3, 1.0
    for _ in range(octaves):
        out += weight * _upsampled(rng.standard_normal((cells, cells)), width, height)
        cells, weight = cells * 3, weight * 0.55
    return out / 1.8


def tone(rng) -> np.ndarray:
    """A colour with little chroma: light, middling or dark."""
    level = rng.choice([rng.uniform(178, 236), rng.uniform(105, 160), rng.uniform(22, 62)])
    return np.clip(level + rng.uniform(-13, 13, 3), 0, 255)


def two_tones(rng) -> np.ndarray:
    """The tones `[2, 3]` that a background is mixed from."""
    base = tone(rng)
    return np.stack([base, np.clip(base + rng.uniform(12, 34) * rng.choice([-1, 1]) + rng.uniform(-8, 8, 3), 0, 255)])


def background(rng, width: int, height: int, tones: np.ndarray) -> Image.Image:
    """Two tones, mixed pixel by pixel."""
    kind = rng.choice(["plain", "gradient", "cloud", "photo", "stripes", "checks", "grain"],
                      p=[0.2, 0.15, 0.15, 0.2, 0.1, 0.1, 0.1])
    base, other = (Image.new("RGB", (width, height), tuple(int(v) for v in t)) for t in tones)
    if kind == "plain":
        return base
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    angle = rng.uniform(0, np.pi)
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    if kind == "gradient":
        mix = (along - along.min()) / (np.ptp(along) + 1)
    elif kind == "cloud":
        mix = 0.5 + 0.5 * cloud(rng, width, height)
    elif kind == "photo":  # light that falls off, and the grain of a sensor
        mix = 0.5 + 0.4 * cloud(rng, width, height)
        mix += np.float32(rng.uniform(0.05, 0.2)) * rng.standard_normal((height, width), np.float32)
    elif kind == "stripes":
        mix = along % (period := np.float32(rng.uniform(10, 60))) > period / 2
    elif kind == "checks":
        cell = rng.integers(10, 50)
        mix = (x // cell + y // cell) % 2
    else:
        mix = 0.5 + 0.35 * rng.standard_normal((height, width), np.float32)
    return Image.composite(other, base, Image.fromarray((np.clip(mix, 0, 1) * np.float32(255)).astype(np.uint8)))


def readable_colours(tones: np.ndarray) -> list[str]:
    """Colours that stand out against every tone of a background."""
    return [name for name, rgb in COLOURS.items() if np.linalg.norm(tones - np.array(rgb), axis=1).min() > 85]


def jittered(rng, colour: str) -> tuple[int, int, int]:
    rgb = np.array(COLOURS[colour]) * rng.uniform(0.93, 1.03) + rng.uniform(-8, 8, 3)
    return tuple(int(v) for v in np.clip(rgb, 0, 255))


# ---- shapes

def _polygon(kind: str) -> list[tuple[float, float]]:
    """Corners in a circle of radius one around the origin, y downwards."""
    def around(n, radius=1.0, start=-90.0):
        t = np.deg2rad(start + np.arange(n) * 360 / n)
        return list(zip(radius * np.cos(t), radius * np.sin(t)))
    if kind == "square":
        return around(4, start=-45)
    if kind == "triangle":
        return around(3)
    if kind == "diamond":
        return [(0, -1), (0.66, 0), (0, 1), (-0.66, 0)]
    if kind == "star":
        return [p for pair in zip(around(5), around(5, 0.42, -54)) for p in pair]
    if kind == "cross":
        a, b = 0.31, 0.95
        return [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a)]
    t = np.linspace(0, 2 * np.pi, 60)  # heart
    x, y = 16 * np.sin(t) ** 3, -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return list(zip(x / 17, (y - 2.5) / 15.5))


TILT = {"circle": 0, "square": 10, "triangle": 14, "star": 20, "heart": 14, "cross": 10, "diamond": 7, "moon": 25}


def _mask(kind: str, radius: float, angle: float, side: int) -> Image.Image:
    big = side * SUPERSAMPLE
    mask = Image.new("L", (big, big))
    draw, c, r = ImageDraw.Draw(mask), big / 2, radius * SUPERSAMPLE
    if kind in ("circle", "moon"):
        draw.ellipse((c - r, c - r, c + r, c + r), fill=255)
        if kind == "moon":
            dx, dy, q = 0.5 * r * np.cos(angle), 0.5 * r * np.sin(angle), 0.82 * r
            draw.ellipse((c + dx - q, c + dy - q, c + dx + q, c + dy + q), fill=0)
    else:
        cos, sin = np.cos(angle), np.sin(angle)
        draw.polygon([(c + r * (x * cos - y * sin), c + r * (x * sin + y * cos)) for x, y in _polygon(kind)], fill=255)
    return mask.reduce(SUPERSAMPLE)


def draw_shape(rng, image: Image.Image, shape: Shape) -> None:
    tilt = np.deg2rad(rng.uniform(-1, 1) * TILT[shape.kind]) + (np.pi if shape.kind == "moon" and rng.random() < 0.5 else 0)
    fill, outline = jittered(rng, shape.colour), rng.random() < 0.25
    side = int(2 * shape.r) + 6
    corner = (int(round(shape.x - side / 2)), int(round(shape.y - side / 2)))
    if outline:
        edge = (245, 245, 245) if shape.colour in ("black", "blue", "purple") else (30, 30, 32)
        image.paste(edge, corner, _mask(shape.kind, shape.r, tilt, side))
    image.paste(fill, corner, _mask(shape.kind, shape.r * (0.9 if outline else 1), tilt, side))


# ---- text

@functools.lru_cache(maxsize=256)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(__file__).parent / "fonts" / name), size, layout_engine=ImageFont.Layout.BASIC)


def draw_text(rng, image: Image.Image, text: str, colour: str, plate: tuple[int, int, int] | None) -> Text:
    """Prints the text 45 to 88 % of the picture wide, and no letter narrower than a twentieth of its short side."""
    name = FONTS[rng.integers(len(FONTS))]
    width, height = image.size
    probe = _font(name, 40)
    length = probe.getlength(text)
    wanted = rng.uniform(0.45, 0.88) * width
    floor = 0.075 * min(width, height) * len(text)
    wanted = min(max(wanted, floor), 0.9 * width)
    size = int(max(8, min(40 * wanted / length, 0.5 * height)))
    size += size % 2
    font = _font(name, size)
    left, top, right, bottom = font.getbbox(text)
    w, h = right - left, bottom - top
    pad = size // 4
    glyphs = Image.new("L", (w + 2 * pad, h + 2 * pad))
    ImageDraw.Draw(glyphs).text((pad - left, pad - top), text, fill=255, font=font)
    angle = float(rng.uniform(-6, 6)) if rng.random() < 0.5 else 0.0
    rotated = glyphs.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    half_w, half_h = min(rotated.width / 2, width / 2), min(rotated.height / 2, height / 2)
    cx, cy = rng.uniform(half_w, width - half_w + 1e-6), rng.uniform(half_h, height - half_h + 1e-6)
    corner = (int(round(cx - rotated.width / 2)), int(round(cy - rotated.height / 2)))
    if plate is not None:
        full = Image.new("L", glyphs.size, 255).rotate(angle, Image.Resampling.BILINEAR, expand=True)
        image.paste(plate, corner, full)
    image.paste(jittered(rng, colour), corner, rotated)
    edges = [font.getlength(text[:i]) - left - w / 2 for i in range(len(text) + 1)]
    return Text(text, colour, (corner[0] + rotated.width / 2, corner[1] + rotated.height / 2), angle, edges, h * 1.05)


# ---- whole pictures

def canvas_size(rng) -> tuple[int, int]:
    """Short side 160 to 360 pixels, sides at most 1 : 2."""
    short, ratio = rng.integers(160, 361), 2 ** rng.uniform(0, 1)
    if rng.random() < 0.25:
        ratio = rng.choice([1, 4 / 3, 3 / 2, 16 / 9])
    long = int(short * ratio)
    return (long, int(short)) if rng.random() < 0.6 else (int(short), long)


def finished(rng, image: Image.Image) -> Image.Image:
    """Some pictures have been through a JPEG file."""
    if rng.random() < 0.15:
        data = io.BytesIO()
        image.save(data, "JPEG", quality=int(rng.integers(70, 96)))
        image = Image.open(data).convert("RGB")
    return image


def placed(rng, width: int, height: int, sizes: list[str]) -> list[tuple[float, float, float]] | None:
    """Centres and radii: inside the picture, told apart by x, overlapping a little now and then; None if it got stuck."""
    short = min(width, height)
    apart = 0.8 if rng.random() < 0.2 else 1.08
    out: list[tuple[float, float, float]] = []
    for size in sizes:
        for _ in range(40):
            r = rng.uniform(*(LARGE if size == "large" else SMALL)) * short
            x, y = rng.uniform(r + 2, width - r - 2), rng.uniform(r + 2, height - r - 2)
            if all(abs(x - a) > 0.07 * width and np.hypot(x - a, y - b) > apart * (r + q) for a, b, q in out):
                out.append((x, y, r))
                break
        else:
            return None
    return out


def bars_scene(rng) -> Scene:
    """A bar chart of two to five bars, each of another colour and clearly another height."""
    width, height = canvas_size(rng)
    tones = two_tones(rng)
    if rng.random() < 0.6:
        tones[1] = tones[0]
    image = background(rng, width, height, tones)
    draw = ImageDraw.Draw(image)
    colours = rng.permutation(readable_colours(tones))
    count = int(min(rng.integers(2, 6), len(colours)))
    levels = rng.permutation(np.linspace(rng.uniform(0.12, 0.3), rng.uniform(0.85, 1), 6))[:count]
    left, right, top, bottom = 0.1 * width, 0.95 * width, 0.08 * height, 0.9 * height
    ink = (25, 25, 28) if tones.mean() > 95 else (235, 235, 235)
    for k in range(1, 5):
        if rng.random() < 0.4:
            y = bottom - (bottom - top) * k / 4
            draw.line((left, y, right, y), fill=tuple(int(v) for v in (tones[0] * 2 + np.array(ink)) / 3))
    step = (right - left) / count
    share = rng.uniform(0.5, 0.8)
    scene = Scene(image)
    for i in range(count):
        x = left + step * (i + 0.5)
        box = (int(x - step * share / 2), int(bottom - levels[i] * (bottom - top)), int(x + step * share / 2), int(bottom))
        draw.rectangle(box, fill=jittered(rng, colours[i]))
        scene.bars.append(Bar(str(colours[i]), box, float(levels[i])))
    thick = max(1, min(width, height) // 100)
    draw.line((left, top, left, bottom), fill=ink, width=thick)
    draw.line((left, bottom, right, bottom), fill=ink, width=thick)
    scene.image = finished(rng, image)
    return scene


def strange_scene(rng) -> Scene:
    """A picture with nothing in it that the model knows: textures, strong colours, scribbles."""
    width, height = canvas_size(rng)
    kind = rng.choice(["empty", "clouds", "lines", "mosaic", "waves"])
    if kind == "empty":
        return Scene(finished(rng, background(rng, width, height, two_tones(rng))))
    if kind == "clouds":
        pixels = np.stack([128 + rng.uniform(30, 90) * cloud(rng, width, height, 5) for _ in range(3)], -1)
    elif kind == "mosaic":
        cells = rng.integers(4, 30, 2)
        small = Image.fromarray(rng.integers(0, 256, (*cells, 3), dtype=np.uint8))
        pixels = np.asarray(small.resize((width, height), Image.Resampling.NEAREST if rng.random() < 0.5 else
                                         Image.Resampling.BICUBIC), np.float32)
    else:
        pixels = np.asarray(background(rng, width, height, two_tones(rng)), np.float32)
        if kind == "waves":
            yy, xx = np.mgrid[0:height, 0:width]
            wave = np.sin(xx / rng.uniform(5, 60) + rng.uniform(1, 9) * np.sin(yy / rng.uniform(10, 90)))
            pixels = pixels + wave[..., None] * rng.uniform(-70, 70, 3)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if kind == "lines":
        draw = ImageDraw.Draw(image)
        for _ in range(rng.integers(4, 25)):
            points = [tuple(p) for p in (rng.random((rng.integers(2, 6), 2)) * (width, height)).tolist()]
            draw.line(points, fill=tuple(rng.integers(0, 256, 3).tolist()), width=int(rng.integers(1, 5)))
    return Scene(finished(rng, image))
