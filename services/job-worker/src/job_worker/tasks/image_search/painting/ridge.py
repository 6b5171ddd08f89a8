"""Lines of land against the sky, made by halving: the midpoint of each piece moves a little at random."""

from itertools import pairwise
from math import cos, pi
from random import Random

from job_worker.tasks.image_search.painting.canvas import Point

Ridge = list[Point]


def rough(
    random: Random,
    width: float,
    *,
    base: float,
    height: float,
    peaks: int,
    roughness: float = 0.5,
    depth: int = 6,
) -> Ridge:
    """Return a mountain ridge from the left edge to the right one.

    Parameters
    ----------
    base, height
        Where its valleys lie, and how far its highest peak stands above them.
    peaks
        How many mountains are seen.
    roughness
        0 is smooth, 1 is torn.
    """
    step = width / peaks
    line: Ridge = []
    at = -step * random.uniform(0.2, 0.8)
    while at < width + step:
        line.extend(
            (
                (at, base - height * random.uniform(0.0, 0.25)),
                (at + step * random.uniform(0.35, 0.65), base - height * random.uniform(0.4, 1.0)),
            )
        )
        at += step * random.uniform(0.65, 1.35)
    line.append((width + step * 2, base))
    return _halve(random, line, sway=height * 0.22 * roughness, depth=depth)


def soft(random: Random, width: float, *, base: float, height: float, waves: int) -> Ridge:
    """Return the outline of rolling hills or dunes from the left edge to the right one."""
    step = width / waves
    line: Ridge = []
    at = -step * 1.5
    while at < width + step * 2:
        line.append((at, base - height * random.random()))
        at += step * random.uniform(0.7, 1.3)
    return _curve(line)


def below(ridge: Ridge, bottom: float) -> list[Point]:
    """Return the polygon of all that lies under the ridge."""
    return [*ridge, (ridge[-1][0], bottom), (ridge[0][0], bottom)]


def height_at(ridge: Ridge, x: float) -> float:
    """Return the y of the ridge at x."""
    for (x1, y1), (x2, y2) in pairwise(ridge):
        if x1 <= x <= x2:
            return y1 + (y2 - y1) * ((x - x1) / (x2 - x1) if x2 > x1 else 0)
    return ridge[-1][1]


def summits(ridge: Ridge, *, reach: int) -> list[int]:
    """Return the places in the ridge that are the highest within `reach` points to either side."""
    return [
        place
        for place in range(1, len(ridge) - 1)
        if ridge[place][1] == min(y for _, y in ridge[max(0, place - reach) : place + reach + 1])
    ]


def _halve(random: Random, line: Ridge, *, sway: float, depth: int) -> Ridge:
    for _ in range(depth):
        finer: Ridge = [line[0]]
        for (x1, y1), (x2, y2) in pairwise(line):
            middle = (x1 + x2) / 2 + (x2 - x1) * random.uniform(-0.12, 0.12)
            finer.extend(((middle, (y1 + y2) / 2 + random.uniform(-sway, sway)), (x2, y2)))
        line, sway = finer, sway * 0.55
    return line


def _curve(line: Ridge, parts: int = 24) -> Ridge:
    """Join points by half cosines: flat at each of them, so crests and dips are round."""
    smooth: Ridge = []
    for (x1, y1), (x2, y2) in pairwise(line):
        for part in range(parts):
            share = part / parts
            smooth.append((x1 + (x2 - x1) * share, y1 + (y2 - y1) * (1 - cos(pi * share)) / 2))
    return [*smooth, line[-1]]
