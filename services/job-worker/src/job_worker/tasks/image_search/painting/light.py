"""The light of a place and hour: every colour of a picture comes from one of these."""

from dataclasses import dataclass
from typing import Final

Colour = tuple[int, int, int]


def colour(text: str) -> Colour:
    """Return the colour that `#rrggbb` means.

    >>> colour("#ff8000")
    (255, 128, 0)
    """
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return `one` with that share of `other` in it, from 0 to 1.

    >>> mix((0, 0, 0), (200, 100, 0), 0.5)
    (100, 50, 0)
    """
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


@dataclass(frozen=True, slots=True)
class Light:
    """An hour of the day, told in colours."""

    phrase: str
    """How the hour is named in a description."""

    sky: tuple[Colour, ...]
    """From the top of the picture to the horizon."""

    sun: Colour
    """Sun or moon, and the glow around it."""

    haze: Colour
    """What far things fade into."""

    near: Colour
    """What near things look like: almost a silhouette."""

    leaf: Colour
    """Grass and leaves at middle distance."""

    snow: Colour
    """Snow that is lit."""

    dark: bool = False
    """Stars are out."""


def _light(phrase: str, sky: str, rest: str, *, dark: bool = False) -> Light:
    sun, haze, near, leaf, snow = (colour(part) for part in rest.split())
    return Light(phrase, tuple(colour(part) for part in sky.split()), sun, haze, near, leaf, snow, dark)


DAWN: Final = _light(
    "at dawn", "#2f4374 #75699f #d998a4 #f7cfae #fde6c4", "#fff3dc #d6a9ac #1c2444 #4b4a6b #ffdcc8"
)
ROSE: Final = _light(
    "on a rose morning",
    "#6d8fcb #a8b1de #e9c0d3 #fbdccf #fff0df",
    "#fff6e6 #d4bcd2 #27304f #5a6b88 #fff0ea",
)
DAY: Final = _light(
    "on a clear day", "#2a74c4 #5fa3e4 #a5d0f3 #d8ecf8 #eef6f8", "#ffffff #b3cee2 #153a2c #4f8a4a #ffffff"
)
GOLD: Final = _light(
    "in golden light", "#3c6c9e #88abc0 #e3cf9e #f8c274 #fbb25f", "#fff2c4 #e2b27c #35201c #8a6a34 #ffe3b0"
)
EMBER: Final = _light(
    "at sunset", "#261436 #6a1f45 #c7403a #f58a3c #ffc766", "#ffe59a #c9623c #170a13 #4d1f24 #ffb483"
)
VIOLET: Final = _light(
    "at dusk", "#171a40 #46306f #93437e #e0746c #fbb27c", "#ffd9a8 #9c5780 #130f2b #3a2a56 #f4b6b4"
)
MIST: Final = _light(
    "in the mist", "#86acb2 #a9c4c5 #cfdcd6 #e6ebe0 #f3f1e6", "#fffdf2 #c5d5cf #14312f #3d6b5e #f6f8f3"
)
AUTUMN: Final = _light(
    "in autumn", "#6d9cc4 #a9c6d6 #dfe2d2 #f6e3bd #fbdca4", "#fff5d6 #d2bd98 #3b1d12 #b4602a #fff3e0"
)
NIGHT: Final = _light(
    "under the stars",
    "#040919 #0a1836 #16305a #2c527f #49739b",
    "#f4f1dd #355a80 #03060f #0f2338 #8fb0d0",
    dark=True,
)
POLAR: Final = _light(
    "under the northern lights",
    "#030816 #06182b #0b2c3c #144a4e #23655d",
    "#d9fbe6 #1f5058 #02070b #0a2227 #86c4bd",
    dark=True,
)
