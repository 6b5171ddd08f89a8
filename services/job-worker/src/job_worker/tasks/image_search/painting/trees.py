"""Firs along a ridge and lone trees with round crowns."""

from math import cos, pi, sin
from random import Random

from PIL import Image

from job_worker.tasks.image_search.painting.canvas import Point, fill
from job_worker.tasks.image_search.painting.light import Colour
from job_worker.tasks.image_search.painting.ridge import Ridge, height_at


def conifers(
    picture: Image.Image,
    random: Random,
    ridge: Ridge,
    colours: tuple[Colour, Colour],
    *,
    tall: float,
    gap: float,
    spread: float = 0.35,
    groves: bool = False,
) -> None:
    """Plant firs along a ridge: all along it, or in groves with meadows between them."""
    trees = []
    x = -tall * random.random()
    phase, turns = random.uniform(0, 2 * pi), random.uniform(5, 9) / picture.width
    while x < picture.width + tall:
        height = tall * random.uniform(1 - spread, 1 + spread)
        if groves and sin(phase + x * turns) + sin(2.7 * phase + x * turns * 2.3) < 0.35:
            x += gap
            continue
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
