"""Generated pictures and what is kept of arrays and texts; the same arithmetic as tests/processing/pattern.h."""
from functools import lru_cache

import numpy as np
from PIL import Image

SMALL = [(1, 1), (1, 2), (2, 1), (3, 7), (7, 3), (13, 13), (14, 14), (15, 15), (27, 28), (28, 28), (29, 27), (42, 42), (41, 43),
         (56, 56), (70, 98), (84, 126), (100, 100), (97, 113), (120, 60), (200, 150), (224, 224), (225, 223), (333, 217),
         (336, 336), (337, 335), (512, 384), (641, 479), (517, 1033),
         (30, 1), (300, 10), (630, 21), (900, 30), (1500, 50), (1, 30), (10, 300), (21, 630), (30, 900), (50, 1500),
         (200, 1), (1, 200), (201, 1), (1, 201), (1023, 767), (1920, 1080)]
LARGE = [(1, 1), (28, 28), (97, 113), (640, 480), (479, 641), (1500, 50), (30, 900), (720, 1280), (2000, 1333), (2400, 3200)]
HUGE = [(4032, 3024), (1000, 7000)]


@lru_cache(maxsize=None)
def pattern(width, height):
    """Waves, checks and noise, all in wrapping 32-bit arithmetic."""
    x = np.arange(width, dtype=np.uint32)[None, :, None]
    y = np.arange(height, dtype=np.uint32)[:, None, None]
    c = np.arange(3, dtype=np.uint32)[None, None, :]
    n = x * np.uint32(0x9E3779B1) ^ y * np.uint32(0x85EBCA77) ^ c * np.uint32(0xC2B2AE3D)
    n ^= n >> np.uint32(15)
    n *= np.uint32(0x2C1B3C6D)
    n ^= n >> np.uint32(12)
    wave = ((x * np.uint32(3) + y * (np.uint32(2) + c) + (x >> np.uint32(4)) * (y >> np.uint32(4)) * np.uint32(5)) >> c) & np.uint32(127)
    check = (((x >> np.uint32(3)) + (y >> np.uint32(3))) & np.uint32(1)) * np.uint32(64)
    return Image.fromarray((wave + check + (n & np.uint32(63))).astype(np.uint8))


def checksum(words):
    """Position-weighted sum of 32- or 64-bit words, modulo 2^64."""
    w = np.ascontiguousarray(words).reshape(-1).astype(np.uint64)
    weight = np.arange(w.size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
    return f"{int((w * weight).sum(dtype=np.uint64)):016x}"


def described(array):
    """Shape, checksum of all bits and, of floats, a few samples. Integers are taken as int64."""
    array = np.ascontiguousarray(array)
    if array.dtype == np.float32:
        words, flat = array.view(np.uint32), array.reshape(-1)
        return {"shape": list(array.shape), "checksum": checksum(words),
                "samples": [float(v) for v in flat[:: max(1, flat.size // 5)][:6]]}
    if array.dtype.kind not in "iu":
        raise TypeError(array.dtype)
    return {"shape": list(array.shape), "checksum": checksum(array.astype(np.int64).view(np.uint64))}


def text_described(text):
    return {"length": len(text.encode()), "checksum": checksum(np.frombuffer(text.encode(), np.uint8))}
