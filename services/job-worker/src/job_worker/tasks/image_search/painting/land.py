"""What stands on the ground: mountains with snow, hills, dunes, rocks, trees."""

from math import cos, pi, sin
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

    shaded = shape(size, _shaded_sides(random, outline, bottom, lit_left=lit_left))
    ground = gradient(size, [lit, mix(lit, light.haze, 0.75)])
    ground.paste(gradient(size, [dark, mix(dark, light.haze, 0.7)]), (0, 0), shaded)
    if snow:
        cover = shape(size, [_snow(random, outline, bottom, snow)])
        drift = gradient(size, [white, mix(white, light.haze, 0.4)])
        drift.paste(gradient(size, [blue, mix(blue, light.haze, 0.4)]), (0, 0), shaded)
        ground.paste(drift, (0, 0), cover)
    picture.paste(ground, (0, top), shape(size, [below(outline, bottom)]))


def _shaded_sides(random: Random, ridge: Ridge, bottom: float, *, lit_left: bool) -> list[list[Point]]:
    """Follow the ridge from each summit down one side, then climb back along a jagged spine."""
    sides = []
    tops = summits(ridge, reach=9)
    for place in tops:
        step = 1 if lit_left else -1
        others = [other for other in tops if (other - place) * step > 0]
        end = min(others, key=lambda other: abs(other - place), default=len(ridge) - 1 if lit_left else 0)
        between = range(place, end + step, step)
        valley = max(between, key=lambda i: ridge[i][1])
        side = [ridge[i] for i in range(place, valley + step, step)]
        x, y = ridge[place]
        reach = (bottom - y) * random.uniform(0.75, 1.0)
        spine: list[Point] = [(x, y)]
        lean = random.uniform(-0.1, 0.3) * step
        parts = 14
        for part in range(1, parts + 1):
            jag = random.uniform(-0.055, 0.055) * reach * (1 if part % 2 else -0.6)
            spine.append((x + lean * reach * part / parts + jag * step, y + reach * part / parts))
        sides.append([*side, (side[-1][0] + step * 10, bottom), *reversed(spine)])
    return sides


def _snow(random: Random, ridge: Ridge, bottom: float, amount: float) -> list[Point]:
    """Return the ridge closed by a snow line that runs in tongues."""
    high = min(y for _, y in ridge)
    level = high + (bottom - high) * amount
    line = []
    for place, (x, y) in enumerate(ridge):
        reach = max(0.0, level - y)
        tongue = (0.25 + 0.75 * random.random()) * (1.25 if place % 4 < 2 else 0.55)
        line.append((x, y + reach * tongue))
    return [*ridge, *reversed(line)]


def hill(picture: Image.Image, ridge: Ridge, colours: tuple[Colour, Colour]) -> None:
    """Fill what lies under a ridge."""
    fill(picture, [below(ridge, picture.height)], colours)


def dune(
    picture: Image.Image,
    light: Light,
    random: Random,
    ridge: Ridge,
    *,
    near: float,
    lit: Colour,
    shade: Colour,
) -> None:
    """Draw a line of dunes with a sharp crest between the sun's side and the shade."""
    bottom = picture.height
    hill(picture, ridge, (mix(lit, light.haze, 0.5 - near * 0.4), mix(lit, shade, 0.35 + near * 0.15)))
    sides = []
    for place in summits(ridge, reach=12):
        x, y = ridge[place]
        after = [point for point in ridge[place:] if point[1] >= y]
        fall: list[Point] = []
        for point in after:
            if fall and point[1] < fall[-1][1] - 1:
                break
            fall.append(point)
        if len(fall) < 3:
            continue
        drop = (bottom - y) * random.uniform(0.6, 0.9)
        swing, lean = random.uniform(0.25, 0.5) * drop, random.uniform(0.2, 0.9)
        crest = [
            (
                x + lean * drop * part / 20 - swing * sin(pi * part / 20) * cos(pi * part / 26),
                y + drop * part / 20,
            )
            for part in range(21)
        ]
        sides.append([*fall, (fall[-1][0] + drop * 0.5, y + drop), *reversed(crest)])
    size = picture.size
    if sides:
        soft = Image.linear_gradient("L").resize(size).point([235 - v * 150 // 255 for v in range(256)])
        top = [mix(shade, light.haze, 0.45 - near * 0.4), mix(shade, light.near, 0.2 * near)]
        mask = ImageChops.multiply(
            shape(size, sides), ImageChops.multiply(shape(size, [below(ridge, bottom)]), soft)
        )
        picture.paste(gradient(size, top), (0, 0), mask)


def conifers(
    picture: Image.Image,
    random: Random,
    ridge: Ridge,
    colours: tuple[Colour, Colour],
    *,
    tall: float,
    gap: float,
    spread: float = 0.35,
) -> None:
    """Plant a line of firs along a ridge."""
    trees = []
    x = -tall * random.random()
    while x < picture.width + tall:
        height = tall * random.uniform(1 - spread, 1 + spread)
        trees.append(_conifer(random, x, height_at(ridge, x) + tall * 0.08, height))
        x += gap * random.uniform(0.35, 1.65)
    fill(picture, trees, colours)


def _conifer(random: Random, x: float, foot: float, height: float) -> list[Point]:
    tiers = max(4, min(13, round(height / 9)))
    broad = height * random.uniform(0.17, 0.24)
    left: list[Point] = [(x, foot - height)]
    right: list[Point] = []
    for tier in range(1, tiers + 1):
        share = tier / tiers
        y = foot - height * (1 - share) - height * 0.04
        for side in (left, right):
            sign = -1 if side is left else 1
            out = broad * share**0.85 * random.uniform(0.75, 1.15)
            side.append((x + sign * out, y + height * 0.035 * random.random()))
            side.append((x + sign * out * 0.5, y - height * 0.012))
    trunk = height * 0.018
    return [*left, (x - trunk, foot - height * 0.04), (x - trunk, foot + 3), (x + trunk, foot + 3),
            (x + trunk, foot - height * 0.04), *reversed(right)]  # fmt: skip


def broadleaf(
    picture: Image.Image, random: Random, at: Point, height: float, colours: tuple[Colour, Colour]
) -> None:
    """Draw a lone tree with a round crown: many small clumps around a bent trunk."""
    x, foot = at
    trunk = height * 0.035
    bend = random.uniform(-0.05, 0.05) * height
    outline = ((1.7, 2.0), (0.7, -height * 0.2), (0.4, -height * 0.6))
    wood: list[list[Point]] = [
        [
            (x + (bend if up < -height / 2 else 0) + side * wide * trunk, foot + up)
            for side, wide, up in (
                *((-1, *step) for step in outline),
                *((1, *step) for step in reversed(outline)),
            )
        ]
    ]
    clumps = []
    for _ in range(90):
        angle, away = random.uniform(0, 2 * pi), random.random() ** 0.6
        cx = x + bend + cos(angle) * away * height * 0.34
        cy = foot - height * 0.63 + sin(angle) * away * height * (0.3 if sin(angle) < 0 else 0.2)
        size = height * random.uniform(0.035, 0.085)
        clumps.append(
            [
                (
                    cx + cos(k * pi / 4) * size * random.uniform(0.7, 1.2),
                    cy + sin(k * pi / 4) * size * random.uniform(0.6, 1.0),
                )
                for k in range(8)
            ]
        )
    wood.extend(
        [
            (x + bend * 0.6 - trunk * 0.5, foot - height * 0.3),
            (x + bend + tip * height, foot - height * 0.6),
            (x + bend * 0.6 + trunk * 0.5, foot - height * 0.34),
        ]
        for tip in (-0.2, 0.14, 0.22)
    )
    fill(picture, wood, (colours[1], colours[1]))
    fill(picture, clumps, colours)
