"""Compositions: what stands where, and in which light."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from PIL import Image

from job_worker.tasks.image_search.painting import land, sky, water
from job_worker.tasks.image_search.painting import light as lights
from job_worker.tasks.image_search.painting.canvas import Point, fill, glow
from job_worker.tasks.image_search.painting.light import Light, colour, mix
from job_worker.tasks.image_search.painting.ridge import Ridge, below, height_at, rough, soft


@dataclass(frozen=True, slots=True, kw_only=True)
class Painting:
    """A finished picture and what is to be seen on it."""

    image: Image.Image
    description: str


@dataclass(frozen=True, slots=True)
class Stage:
    """The sheet a scene is painted on: size, chance, light and where the sun stands."""

    size: tuple[int, int]
    random: Random
    light: Light
    sun: Point

    @property
    def lit_left(self) -> bool:
        """Whether light comes from the left."""
        return self.sun[0] < self.size[0] / 2

    def backdrop(self, horizon: float, cover: float) -> Image.Image:
        """Return the sky with all that belongs into it."""
        picture = sky.sky(self.size, self.light, horizon)
        radius = min(self.size) * (0.035 if self.light.dark else 0.042)
        if self.light.dark:
            sky.stars(picture, self.random, horizon)
            if self.light is lights.POLAR:
                sky.aurora(picture, self.random, horizon)
            else:
                sky.moon(picture, self.light, self.sun, radius, self.random)
        else:
            sky.sun(picture, self.light, self.sun, radius)
        if cover:
            sky.clouds(picture, self.light, self.random, horizon, cover)
        return picture

    def ranges(
        self, picture: Image.Image, *, count: int, first: float, last: float, height: float, peaks: int
    ) -> Ridge:
        """Draw ridge before ridge, each darker and lower than the one behind it; return the last one."""
        width, tall = self.size
        ridge: Ridge = []
        for layer in range(count):
            near = (layer + 1) / count
            base = tall * (first + (last - first) * layer / max(1, count - 1))
            ridge = rough(
                self.random,
                width,
                base=base,
                height=tall * height * (1 - 0.35 * near),
                peaks=peaks + layer,
                roughness=0.5 - 0.15 * near,
            )
            tone = mix(
                self.light.haze, mix(self.light.near, self.light.leaf, 0.35 * (1 - near)), near**1.25 * 0.92
            )
            fog = mix(tone, self.light.haze, 0.62 - 0.3 * near)
            fill(picture, [below(ridge, min(tall, base + tall * 0.2))], (tone, fog))
            picture.paste(fog, (0, round(min(tall, base + tall * 0.2)), width, tall))
        return ridge


Scene = Callable[[Stage], Image.Image]


def _peaks(stage: Stage) -> Image.Image:
    (width, tall), random, light = stage.size, stage.random, stage.light
    picture = stage.backdrop(tall * 0.72, random.uniform(0.2, 0.6))
    far = rough(random, width, base=tall * 0.5, height=tall * 0.2, peaks=5)
    land.mountains(
        picture, light, random, far, foot=tall * 0.72, distance=0.62, snow=0.35, lit_left=stage.lit_left
    )
    main = rough(
        random, width, base=tall * 0.6, height=tall * random.uniform(0.3, 0.42), peaks=random.randint(2, 3)
    )
    land.mountains(
        picture, light, random, main, foot=tall * 0.84, distance=0.3, snow=0.42, lit_left=stage.lit_left
    )
    glow(picture, (width / 2, tall * 0.86), width * 0.75, light.haze, 0.55)
    _woods(stage, picture, rows=3, first=0.76, last=0.97)
    return picture


def _woods(stage: Stage, picture: Image.Image, *, rows: int, first: float, last: float) -> None:
    (width, tall), random, light = stage.size, stage.random, stage.light
    for row in range(rows):
        near = (row + 1) / rows
        base = tall * (first + (last - first) * row / max(1, rows - 1))
        ground = soft(random, width, base=base, height=tall * 0.06, waves=3)
        tone = mix(mix(light.haze, light.leaf, 0.45), light.near, near**0.8)
        foot = mix(tone, light.haze, 0.42 * (1 - near))
        size = tall * (0.045 + 0.085 * near)
        land.conifers(picture, random, ground, (tone, tone), tall=size, gap=size * 0.34)
        fill(picture, [below(ground, min(tall, base + tall * 0.16))], (tone, foot))
        picture.paste(foot, (0, round(min(tall, base + tall * 0.16)), width, tall))


def _lake(stage: Stage) -> Image.Image:
    (width, tall), random, light = stage.size, stage.random, stage.light
    shore = tall * random.uniform(0.58, 0.64)
    picture = stage.backdrop(shore, random.uniform(0.15, 0.55))
    far = rough(random, width, base=shore - tall * 0.12, height=tall * 0.2, peaks=5)
    land.mountains(picture, light, random, far, foot=shore, distance=0.6, snow=0.4, lit_left=stage.lit_left)
    main = rough(random, width, base=shore - tall * 0.05, height=tall * random.uniform(0.3, 0.4), peaks=2)
    land.mountains(
        picture,
        light,
        random,
        main,
        foot=shore + tall * 0.03,
        distance=0.28,
        snow=0.5,
        lit_left=stage.lit_left,
    )
    bank = soft(random, width, base=shore - tall * 0.005, height=tall * 0.03, waves=2)
    tone = mix(mix(light.near, light.leaf, 0.35), light.haze, 0.18)
    land.conifers(picture, random, bank, (tone, tone), tall=tall * 0.065, gap=tall * 0.018)
    fill(picture, [below(bank, shore)], (tone, mix(tone, light.near, 0.4)))
    water.mirror(picture, light, random, shore, calm=random.uniform(0.6, 1.1))
    if not light.dark:
        water.glitter(picture, light, random, stage.sun[0], shore, broad=width * 0.05)
    _frame(stage, picture)
    return picture


def _frame(stage: Stage, picture: Image.Image) -> None:
    """Put near trees into one corner, which gives the view its depth."""
    (width, tall), random, light = stage.size, stage.random, stage.light
    left = random.random() < 0.5
    ground = soft(random, width, base=tall * 1.01, height=tall * 0.03, waves=2)
    reach = width * random.uniform(0.28, 0.45)
    slope = [(x, y + (max(0.0, (x if left else width - x) / reach - 0.4) * tall * 0.1)) for x, y in ground]
    land.conifers(
        picture, random, slope, (light.near, light.near), tall=tall * 0.26, gap=tall * 0.075, spread=0.5
    )
    fill(picture, [below(slope, tall + 5)], (light.near, light.near))


def _hills(stage: Stage) -> Image.Image:
    (width, tall), random, light = stage.size, stage.random, stage.light
    picture = stage.backdrop(tall * 0.66, random.uniform(0.35, 0.75))
    stage.ranges(picture, count=2, first=0.6, last=0.64, height=0.12, peaks=4)
    ridge: Ridge = []
    for layer in range(4):
        near = (layer + 1) / 4
        ridge = soft(
            random, width, base=tall * (0.66 + 0.095 * layer), height=tall * 0.075, waves=2 + (3 - layer) // 2
        )
        tone = mix(mix(light.leaf, light.sun, 0.22 * (1 - near)), light.haze, 0.55 * (1 - near))
        land.hill(picture, ridge, (mix(tone, light.sun, 0.12), mix(tone, light.near, 0.3 + 0.35 * near)))
        if layer in {0, 1}:
            dark = mix(tone, light.near, 0.45)
            land.conifers(
                picture, random, ridge, (dark, dark), tall=tall * (0.022 + 0.012 * layer), gap=tall * 0.035
            )
        if layer == 2:
            x = width * random.choice((random.uniform(0.2, 0.36), random.uniform(0.64, 0.8)))
            foot = height_at(ridge, x) + tall * 0.015
            crown = mix(light.leaf, light.near, 0.45)
            land.broadleaf(
                picture,
                random,
                (x, foot),
                tall * random.uniform(0.2, 0.28),
                (mix(crown, light.sun, 0.2), mix(crown, light.near, 0.6)),
            )
    if not light.dark:
        sky.birds(picture, light, random, tall * 0.6)
    return picture


def _dunes(stage: Stage) -> Image.Image:
    (width, tall), random, light = stage.size, stage.random, stage.light
    picture = stage.backdrop(tall * 0.6, random.uniform(0.0, 0.3))
    stage.ranges(picture, count=1, first=0.58, last=0.58, height=0.06, peaks=6)
    sand, shadow = mix(colour("#e9a45c"), light.sun, 0.25), mix(colour("#7c3f2a"), light.near, 0.3)
    if light.dark:
        sand, shadow = mix(sand, light.sky[2], 0.72), mix(shadow, light.sky[0], 0.8)
    for layer in range(4):
        near = layer / 3
        ridge = soft(
            random,
            width,
            base=tall * (0.62 + 0.105 * layer + 0.03 * near),
            height=tall * (0.05 + 0.1 * near),
            waves=5 - layer,
        )
        land.dune(picture, light, random, ridge, near=near, lit=sand, shade=shadow)
    return picture


def _coast(stage: Stage) -> Image.Image:
    (width, tall), random, light = stage.size, stage.random, stage.light
    shore = tall * random.uniform(0.55, 0.62)
    picture = stage.backdrop(shore, random.uniform(0.3, 0.7))
    water.sea(picture, light, shore)
    water.waves(picture, light, random, shore)
    water.glitter(picture, light, random, stage.sun[0], shore, broad=width * 0.07)
    for layer in range(3):
        near = layer / 2
        base = shore + tall * (0.0, 0.025, 0.075)[layer]
        middle, half = width * random.uniform(0.05, 0.95), width * random.uniform(0.16, 0.3)
        crag = rough(random, width, base=base, height=tall * (0.1 + 0.1 * near), peaks=6, roughness=0.7)
        island = [
            (x, base + 2 - max(0.0, base - y) * max(0.0, 1 - ((x - middle) / half) ** 2)) for x, y in crag
        ]
        tone = mix(light.haze, mix(light.near, light.leaf, 0.2), 0.4 + 0.5 * near)
        fill(picture, [below(island, base + 2)], (tone, mix(tone, light.near, 0.35)))
    sky.birds(picture, light, random, shore)
    return picture


def _forest(stage: Stage) -> Image.Image:
    _, tall = stage.size
    picture = stage.backdrop(tall * 0.8, 0.15)
    stage.ranges(picture, count=2, first=0.42, last=0.5, height=0.16, peaks=3)
    _woods(stage, picture, rows=5, first=0.5, last=0.99)
    return picture


def _ranges(stage: Stage) -> Image.Image:
    _, tall = stage.size
    picture = stage.backdrop(tall * 0.75, stage.random.uniform(0.1, 0.45))
    stage.ranges(picture, count=stage.random.randint(6, 8), first=0.46, last=0.97, height=0.2, peaks=2)
    if not stage.light.dark:
        sky.birds(picture, stage.light, stage.random, tall * 0.5)
    return picture


SCENES: Final[tuple[tuple[str, Scene, tuple[Light, ...]], ...]] = (
    (
        "snowy peaks above a forest",
        _peaks,
        (lights.DAWN, lights.DAY, lights.ROSE, lights.GOLD, lights.NIGHT, lights.VIOLET, lights.AUTUMN),
    ),
    (
        "mountains mirrored in a lake",
        _lake,
        (lights.DAWN, lights.DAY, lights.ROSE, lights.POLAR, lights.VIOLET, lights.GOLD, lights.NIGHT),
    ),
    (
        "rolling hills and a lone tree",
        _hills,
        (lights.DAY, lights.GOLD, lights.AUTUMN, lights.DAWN, lights.EMBER),
    ),
    ("islands in the sea", _coast, (lights.EMBER, lights.DAY, lights.ROSE, lights.GOLD, lights.VIOLET)),
    ("forests in the fog", _forest, (lights.MIST, lights.DAWN, lights.AUTUMN, lights.POLAR, lights.VIOLET)),
    (
        "mountain ranges, one behind the other",
        _ranges,
        (lights.EMBER, lights.MIST, lights.VIOLET, lights.GOLD, lights.ROSE, lights.NIGHT),
    ),
    ("dunes in the desert", _dunes, (lights.GOLD, lights.EMBER, lights.DAY, lights.NIGHT, lights.VIOLET)),
)
"""What is seen, how it is painted, and in which light it looks well."""


def paint(seed: str, number: int, size: tuple[int, int]) -> Painting:
    """Paint picture `number` of a seed: neighbours differ in scene and light, a repeat is the same."""
    start = Random(seed).randrange(1_000_000)
    random = Random(f"{seed}\x00{number}")
    what, scene, suiting = SCENES[(start + number) % len(SCENES)]
    light = suiting[(start // len(SCENES) + number // len(SCENES) + number * 3) % len(suiting)]
    width, tall = size
    low = tall * (
        random.uniform(0.12, 0.24) if light.dark or light is lights.DAY else random.uniform(0.3, 0.46)
    )
    stage = Stage(
        size,
        random,
        light,
        (width * random.choice((random.uniform(0.15, 0.4), random.uniform(0.6, 0.85))), low),
    )
    image = scene(stage)
    return Painting(image=image, description=f"{what} {light.phrase}")
