"""What stands on the ground: mountains with snow, hills, dunes."""

from math import pi, sin
from random import Random

from PIL import Image, ImageChops

from job_worker.tasks.image_search.painting.canvas import Point, fill, gradient, shape
from job_worker.tasks.image_search.painting.light import Colour, Light, mix
from job_worker.tasks.image_search.painting.ridge import Ridge, below, height_at, summits


def mountains(
    picture: Image.Image,
    light: Light,
    random: Random,
    ridge: Ridge,
    *,
    foot: float,
    distance: float,
    snow: float,
    lit_left: bool,
) -> None:
    """Draw mountains with a lit and a shaded side.

    Parameters
    ----------
    foot
        Where they vanish into haze.
    distance
        1 is so far that only haze is left of them, 0 is near.
    snow
        How much of them is white, from 0 to 1.
    """
    top = max(0, int(min(y for _, y in ridge)))
    size = (picture.width, max(1, round(foot) - top))
    outline = [(x, y - top) for x, y in ridge]
    bottom = float(size[1])
    rock = mix(light.near, light.leaf, 0.35)
    lit = mix(mix(rock, light.sun, 0.32), light.haze, distance)
    dark = mix(mix(rock, light.sky[0], 0.25), light.haze, distance * 0.92)
    white = mix(light.snow, light.haze, distance * 0.6)
    blue = mix(mix(light.snow, light.sky[0], 0.55), light.haze, distance * 0.7)

    sides = _shaded_sides(random, outline, bottom, to_right=lit_left, jag=0.03, reach=14)
    shaded = shape(size, sides)
    ribs = shape(size, _ribs(random, outline, bottom))
    # A gully is dark in the light and light in the dark, and only half as much as either.
    shaded = Image.blend(shaded, ImageChops.difference(shaded, ribs), 0.45)
    ground = gradient(size, [lit, mix(lit, light.haze, 0.75)])
    ground.paste(gradient(size, [dark, mix(dark, light.haze, 0.7)]), (0, 0), shaded)
    if snow:
        cover = shape(size, [_snow(random, outline, bottom, snow)])
        drift = gradient(size, [white, mix(white, light.haze, 0.4)])
        drift.paste(gradient(size, [blue, mix(blue, light.haze, 0.4)]), (0, 0), shaded)
        ground.paste(drift, (0, 0), cover)
    picture.paste(ground, (0, top), shape(size, [below(outline, bottom)]))


def _shaded_sides(
    random: Random, ridge: Ridge, bottom: float, *, to_right: bool, jag: float, reach: int
) -> list[list[Point]]:
    """Follow the ridge from each summit down to the valley, then climb back along a bent spine."""
    step = 1 if to_right else -1
    sides = []
    tops = summits(ridge, reach=reach)
    for place in tops:
        others = [other for other in tops if (other - place) * step > 0]
        end = min(others, key=lambda other: abs(other - place), default=len(ridge) - 1 if to_right else 0)
        valley = max(range(place, end + step, step), key=lambda i: ridge[i][1])
        (x, y), (valley_x, _) = ridge[place], ridge[valley]
        drop = bottom - y
        mid_x = x + random.uniform(-0.16, 0.1) * drop * step
        foot_x = valley_x + random.uniform(0.0, 0.3) * drop * step
        parts = 26
        spine: list[Point] = []
        for part in range(parts + 1):
            share = part / parts
            bend = x * (1 - share) ** 2 + 2 * mid_x * share * (1 - share) + foot_x * share**2
            sway = jag * drop * random.uniform(0.2, 1) * (1 if part % 2 else -1) * min(1, share * 4)
            spine.append((bend + sway, y + drop * share))
        sides.append([*(ridge[i] for i in range(place, valley + step, step)), *reversed(spine)])
    return sides


def _ribs(random: Random, ridge: Ridge, bottom: float) -> list[list[Point]]:
    """Return slivers that run down from the ridge: gullies in the rock."""
    ribs = []
    for _ in range(34):
        x, y = ridge[random.randrange(1, len(ridge) - 1)]
        drop = (bottom - y) * random.uniform(0.15, 0.5)
        lean, wide = random.uniform(-0.45, 0.45) * drop, random.uniform(0.03, 0.09) * drop
        ribs.append(
            [
                (x, y),
                (x + lean * 0.4 + wide, y + drop * 0.42),
                (x + lean * 0.55 + wide * 0.3, y + drop * 0.5),
                (x + lean, y + drop),
                (x + lean * 0.45 - wide * 0.5, y + drop * 0.55),
                (x + lean * 0.2 - wide * 0.3, y + drop * 0.3),
            ]
        )
    return ribs


def _snow(random: Random, ridge: Ridge, bottom: float, amount: float) -> list[Point]:
    """Return the ridge closed by a snow line that runs in tongues."""
    high = min(y for _, y in ridge)
    height = bottom - high
    line: list[Point] = []
    x, down, depth = ridge[0][0], False, 0.05
    while x < ridge[-1][0]:
        down = not down
        if down:
            # Most tongues are short and some run far, or the line would look like a saw.
            depth = 0.02 + 0.16 * random.random() ** 2.2
        y = height_at(ridge, x)
        level = high + height * (amount + (depth if down else -depth * random.uniform(0.1, 0.6)))
        line.append((x, y + max(0.0, level - y) * random.uniform(0.75, 1.0)))
        x += height * (random.uniform(0.012, 0.05) + depth * 0.25)
    return [*ridge, *reversed(line)]


def hill(picture: Image.Image, ridge: Ridge, colours: tuple[Colour, Colour], *, reach: float) -> None:
    """Fill what lies under a ridge, from its colour at the top to the other one `reach` below."""
    foot = min(picture.height, max(y for _, y in ridge) + reach)
    fill(picture, [below(ridge, foot)], colours)
    picture.paste(colours[1], (0, round(foot), picture.width, picture.height))


def dune(
    picture: Image.Image,
    light: Light,
    random: Random,
    ridge: Ridge,
    *,
    near: float,
    lit: Colour,
    shade: Colour,
    to_right: bool,
) -> None:
    """Draw a line of dunes with sharp crests between the sun's side and the shade."""
    tall = picture.height
    lit, shade = mix(lit, light.haze, 0.45 - near * 0.4), mix(shade, light.haze, 0.5 - near * 0.42)
    hill(picture, ridge, (mix(lit, light.sun, 0.18), mix(lit, shade, 0.42)), reach=tall * 0.12)
    foot = max(y for _, y in ridge) + tall * (0.1 + 0.2 * near)
    top = max(0, round(min(y for _, y in ridge)))
    size = (picture.width, max(1, round(foot) - top))
    outline = [(x, y - top) for x, y in ridge]
    sides = _lee_sides(random, outline, float(size[1]), to_right=to_right)
    fade = Image.linear_gradient("L").point([round(255 * (1 - (v / 255) ** 1.6)) for v in range(256)])
    mask = ImageChops.multiply(shape(size, sides), shape(size, [below(outline, size[1])]))
    picture.paste(shade, (0, top, picture.width, top + size[1]), ImageChops.multiply(mask, fade.resize(size)))


def _lee_sides(random: Random, ridge: Ridge, bottom: float, *, to_right: bool) -> list[list[Point]]:
    """Follow the ridge from each crest down its lee, then climb back along a curve like an S."""
    step = 1 if to_right else -1
    sides = []
    for place in summits(ridge, reach=16):
        x, y = ridge[place]
        end = place
        while 0 < end < len(ridge) - 1 and ridge[end + step][1] >= ridge[end][1]:
            end += step
        drop = bottom - y
        swing, lean = random.uniform(0.3, 0.6) * drop, random.uniform(0.3, 0.9) * drop
        crest = [
            (x + step * (lean * part / 24 - swing * sin(pi * 1.3 * part / 24)), y + drop * part / 24)
            for part in range(25)
        ]
        foot_x = ridge[end][0] + step * drop * 1.2
        sides.append(
            [*(ridge[i] for i in range(place, end + step, step)), (foot_x, bottom), *reversed(crest)]
        )
    return sides
