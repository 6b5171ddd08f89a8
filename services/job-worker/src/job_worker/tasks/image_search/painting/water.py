"""Lakes and seas: a mirror that ripples more the nearer it is."""

from math import sin
from random import Random

from PIL import Image, ImageChops

from job_worker.tasks.image_search.painting.canvas import Point, fill, gradient
from job_worker.tasks.image_search.painting.light import Light, mix


def mirror(picture: Image.Image, light: Light, random: Random, shore: float, *, calm: float) -> None:
    """Fill all below the shore with the reflection of what is above it."""
    width, depth, top = picture.width, picture.height - round(shore), round(shore)
    above = picture.crop((0, max(0, top - round(depth * 1.25)), width, top))
    image = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((width, depth), Image.Resampling.BILINEAR)
    rippled = Image.new("RGB", (width, depth))
    phase, row = random.uniform(0, 6), 0
    while row < depth:
        near = row / depth
        band = 1 + int(near * 4)
        sway = (
            (sin(phase + row * (0.9 - 0.6 * near)) + random.uniform(-0.7, 0.7))
            * (0.6 + 9 * near)
            * (1.3 - calm)
        )
        strip = image.crop((0, row, width, min(depth, row + band)))
        rippled.paste(ImageChops.offset(strip, round(sway), 0), (0, row))
        row += band
    tint = gradient(
        (width, depth),
        [mix(light.haze, light.sky[-1], 0.5), light.sky[1], mix(light.sky[0], light.near, 0.5)],
    )
    picture.paste(Image.blend(rippled, tint, 0.3), (0, top))


def sea(picture: Image.Image, light: Light, shore: float) -> None:
    """Fill all below the horizon with open water."""
    top = round(shore)
    size = (picture.width, picture.height - top)
    deep = mix(light.sky[0], light.near, 0.35)
    picture.paste(
        gradient(size, [mix(light.sky[-1], light.sky[1], 0.35), mix(light.sky[1], deep, 0.35), deep]),
        (0, top),
    )


def glitter(
    picture: Image.Image, light: Light, random: Random, x: float, shore: float, *, broad: float
) -> None:
    """Lay the path of light that a low sun or moon throws over water."""
    depth = picture.height - shore
    flecks = []
    for _ in range(260):
        near = random.random() ** 1.5
        y = shore + 2 + near * (depth - 4)
        long = (4 + near * 46) * random.uniform(0.5, 1.4)
        centre = x + random.gauss(0, 0.5) * broad * (0.35 + near * 1.3)
        thick = 0.5 + near * 1.6
        flecks.append([(centre - long, y), (centre, y - thick), (centre + long, y), (centre, y + thick)])
    fill(picture, flecks, [mix(light.sun, light.sky[-1], 0.25), mix(light.sun, light.sky[-1], 0.55)])


def waves(picture: Image.Image, light: Light, random: Random, shore: float) -> None:
    """Draw the backs of many small waves, flat and dense far out, long and few up close."""
    depth = picture.height - shore
    bright: list[list[Point]] = []
    dark: list[list[Point]] = []
    for _ in range(420):
        near = random.random() ** 1.4
        y = shore + 3 + near * depth
        long, thick = (8 + near * 90) * random.uniform(0.4, 1.3), 0.5 + near * 2.6
        x = random.uniform(0, picture.width)
        (bright if random.random() < 0.45 else dark).append(
            [
                (x - long, y),
                (x - long * 0.3, y - thick),
                (x + long * 0.4, y - thick * 0.7),
                (x + long, y),
                (x, y + thick * 0.4),
            ]
        )
    before = picture.copy()
    fill(picture, dark, [mix(light.sky[1], light.sky[-1], 0.2), mix(light.sky[0], light.near, 0.6)])
    fill(picture, bright, [mix(light.sky[-1], light.sky[2], 0.4), mix(light.sky[1], light.sky[2], 0.5)])
    picture.paste(Image.blend(before, picture, 0.38), (0, 0))
