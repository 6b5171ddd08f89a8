"""Encodes a picture's blur hash: a preview in 28 characters (the algorithm of blurha.sh).

Written out here because the libraries on offer have no types or bring compiled code for what
takes a screen and two milliseconds.
"""

from math import copysign, cos, floor, pi
from typing import Final

from PIL import Image

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_LINEAR: Final = tuple(v / 255 / 12.92 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in range(256))


def blur_hash(image: Image.Image, *, across: int = 4, down: int = 3) -> str:
    """Return the blur hash of a small RGB picture (32 × 32 is plenty) with that many components."""
    width, height = image.size
    data = image.tobytes()
    channels = [[_LINEAR[value] for value in data[channel::3]] for channel in range(3)]
    waves_x = [[cos(pi * i * x / width) for x in range(width)] for i in range(across)]
    waves_y = [[cos(pi * j * y / height) for y in range(height)] for j in range(down)]

    def component(i: int, j: int) -> tuple[float, ...]:
        wave = [a * b for b in waves_y[j] for a in waves_x[i]]
        scale = (1 if i == j == 0 else 2) / (width * height)
        return tuple(scale * sum(map(float.__mul__, wave, channel)) for channel in channels)

    mean, *rest = (component(i, j) for j in range(down) for i in range(across))
    largest = max((abs(value) for values in rest for value in values), default=0.0)
    level = max(0, min(82, floor(largest * 166 - 0.5)))
    reach = (level + 1) / 166
    average = int.from_bytes(bytes(_srgb(value) for value in mean))
    text = _base83((across - 1) + (down - 1) * 9, 1) + _base83(level, 1) + _base83(average, 4)
    for values in rest:
        red, green, blue = (
            max(0, min(18, floor(copysign(abs(value / reach) ** 0.5, value) * 9 + 9.5))) for value in values
        )
        text += _base83((red * 19 + green) * 19 + blue, 2)
    return text


def _srgb(value: float) -> int:
    value = max(0.0, min(1.0, value))
    return int((value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055) * 255 + 0.5)


def _base83(value: int, length: int) -> str:
    return "".join(_DIGITS[value // 83**place % 83] for place in reversed(range(length)))
