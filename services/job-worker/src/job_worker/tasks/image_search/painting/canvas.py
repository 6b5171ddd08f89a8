"""The few things every part of a picture is made with: gradients, smooth-edged shapes, glows."""

from collections.abc import Sequence
from itertools import pairwise

from PIL import Image, ImageDraw

from job_worker.tasks.image_search.painting.light import Colour, mix

Point = tuple[float, float]

_STEPS = 256
_FINE = 2
"""Shapes are drawn this much larger and made smaller, which smooths their edges."""


def gradient(size: tuple[int, int], colours: Sequence[Colour]) -> Image.Image:
    """Return an image that goes through the colours evenly, from top to bottom."""
    strip = Image.new("RGB", (1, _STEPS))
    spans = list(pairwise(colours)) or [(colours[0], colours[0])]
    for row in range(_STEPS):
        place = row / _STEPS * len(spans)
        one, other = spans[int(place)]
        strip.putpixel((0, row), mix(one, other, place % 1))
    return strip.resize(size, Image.Resampling.BICUBIC)


def shape(size: tuple[int, int], polygons: Sequence[Sequence[Point]]) -> Image.Image:
    """Return a mask that covers the polygons, with smooth edges."""
    mask = Image.new("L", (size[0] * _FINE, size[1] * _FINE))
    draw = ImageDraw.Draw(mask)
    for polygon in polygons:
        draw.polygon([(x * _FINE, y * _FINE) for x, y in polygon], fill=255)
    return mask.reduce(_FINE)


def fill(picture: Image.Image, polygons: Sequence[Sequence[Point]], colours: Sequence[Colour]) -> None:
    """Fill the polygons with a gradient that spans them from top to bottom."""
    heights = [y for polygon in polygons for _, y in polygon]
    top, bottom = max(0, int(min(heights))), min(picture.height, int(max(heights)) + 1)
    if bottom <= top:
        return
    size = (picture.width, bottom - top)
    shifted = [[(x, y - top) for x, y in polygon] for polygon in polygons]
    picture.paste(gradient(size, colours), (0, top), shape(size, shifted))


def glow(picture: Image.Image, centre: Point, radius: float, colour: Colour, strength: float) -> None:
    """Lay a round light over the picture that fades to nothing at the radius."""
    side = max(2, round(radius * 2))
    fade = Image.radial_gradient("L").point(
        [round((1 - min(1, v / 181)) ** 2 * 255 * strength) for v in range(256)]
    )
    corner = (round(centre[0] - radius), round(centre[1] - radius))
    picture.paste(colour, (*corner, corner[0] + side, corner[1] + side), fade.resize((side, side)))


def disc(
    picture: Image.Image, centre: Point, radius: float, colour: Colour, *, without: Point | None = None
) -> None:
    """Draw a round thing with a smooth edge; what another such disc around `without` covers stays free."""
    side, fine = round(radius * 2) + 2, 4
    mask = Image.new("L", (side * fine, side * fine))
    draw = ImageDraw.Draw(mask)
    draw.ellipse((fine, fine, (side - 1) * fine, (side - 1) * fine), fill=255)
    corner = (round(centre[0] - side / 2), round(centre[1] - side / 2))
    if without:
        x, y = (without[0] - corner[0]) * fine, (without[1] - corner[1]) * fine
        draw.ellipse((x - radius * fine, y - radius * fine, x + radius * fine, y + radius * fine), fill=0)
    picture.paste(colour, (*corner, corner[0] + side, corner[1] + side), mask.reduce(fine))
