"""Compositions: what stands where, and in which light."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image

from job_worker.tasks.image_search.painting import land, sky, trees, water
from job_worker.tasks.image_search.painting import light as lights
from job_worker.tasks.image_search.painting.canvas import fill, glow
from job_worker.tasks.image_search.painting.light import Light, colour, mix
from job_worker.tasks.image_search.painting.ridge import below, height_at, rough, soft
from job_worker.tasks.image_search.painting.stage import Stage


@dataclass(frozen=True, slots=True)
class Scene:
    """A composition."""

    shows: str
    """What is to be seen."""

    words: frozenset[str]
    """Beginnings of words in a search that this scene answers."""

    paint: Callable[[Stage], Image.Image]
    lights: tuple[Light, ...]
    """In which it looks well."""


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
    stage.woods(picture, rows=3, first=0.76, last=0.97)
    return picture


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
    trees.conifers(picture, random, bank, (tone, tone), tall=tall * 0.065, gap=tall * 0.018)
    fill(picture, [below(bank, shore)], (tone, mix(tone, light.near, 0.4)))
    water.mirror(picture, light, random, shore, calm=random.uniform(0.6, 1.1))
    if not light.dark:
        water.glitter(picture, light, random, stage.sun[0], shore, broad=width * 0.05)
    stage.frame(picture)
    return picture


def _hills(stage: Stage) -> Image.Image:
    (width, tall), random, light = stage.size, stage.random, stage.light
    picture = stage.backdrop(tall * 0.66, random.uniform(0.35, 0.75))
    stage.ranges(picture, count=2, first=0.6, last=0.64, height=0.13, peaks=3, darkest=0.4)
    for layer in range(4):
        near = (layer + 1) / 4
        ridge = soft(
            random,
            width,
            base=tall * (0.68 + 0.1 * layer),
            height=tall * (0.07 + 0.04 * near),
            waves=3 - layer // 2,
        )
        tone = mix(mix(light.leaf, light.sun, 0.14), light.haze, 0.62 * (1 - near) ** 1.4)
        tone = mix(tone, light.near, (0.0, 0.14, 0.04, 0.3)[layer])
        dark = mix(tone, light.near, 0.5)
        # Trees stand behind the crest they grow from, so that no trunk floats.
        if layer < 3:
            trees.conifers(
                picture,
                random,
                ridge,
                (dark, dark),
                tall=tall * (0.03 + 0.015 * layer),
                gap=tall * 0.012,
                groves=True,
            )
        if layer == 3:
            x = width * random.choice((random.uniform(0.18, 0.34), random.uniform(0.66, 0.82)))
            crown = mix(light.leaf, light.near, 0.5)
            trees.broadleaf(
                picture,
                random,
                (x, height_at(ridge, x) + tall * 0.01),
                tall * random.uniform(0.26, 0.34),
                (mix(crown, light.sun, 0.16), mix(crown, light.near, 0.6)),
            )
        land.hill(
            picture,
            ridge,
            (mix(tone, light.sun, 0.22), mix(tone, light.near, 0.22 + 0.3 * near)),
            reach=tall * 0.08,
        )
    if not light.dark:
        sky.birds(picture, light, random, tall * 0.6)
    return picture


def _dunes(stage: Stage) -> Image.Image:
    (width, tall), random, light = stage.size, stage.random, stage.light
    picture = stage.backdrop(tall * 0.6, random.uniform(0.0, 0.3))
    stage.ranges(picture, count=1, first=0.6, last=0.6, height=0.07, peaks=5, darkest=0.3)
    sand, shadow = mix(colour("#e9a45c"), light.sun, 0.25), mix(colour("#8a4a30"), light.near, 0.22)
    if light.dark:
        sand, shadow = mix(sand, light.sky[2], 0.72), mix(shadow, light.sky[0], 0.8)
    for layer in range(4):
        near = layer / 3
        ridge = soft(
            random,
            width,
            base=tall * (0.64 + 0.1 * layer + 0.05 * near),
            height=tall * (0.05 + 0.13 * near),
            waves=(6, 4, 3, 2)[layer],
        )
        land.dune(picture, light, random, ridge, near=near, lit=sand, shade=shadow, to_right=stage.lit_left)
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
            (x, base - max(0.0, base - y) * (1 - ((x - middle) / half) ** 2))
            for x, y in crag
            if abs(x - middle) < half
        ]
        tone = mix(light.haze, mix(light.near, light.leaf, 0.2), 0.4 + 0.5 * near)
        fill(picture, [below(island, base + 1)], (tone, mix(tone, light.near, 0.35)))
    sky.birds(picture, light, random, shore)
    return picture


def _forest(stage: Stage) -> Image.Image:
    _, tall = stage.size
    picture = stage.backdrop(tall * 0.8, 0.15)
    stage.ranges(picture, count=2, first=0.42, last=0.5, height=0.2, peaks=3, darkest=0.3)
    stage.woods(picture, rows=5, first=0.5, last=0.99)
    return picture


def _ranges(stage: Stage) -> Image.Image:
    _, tall = stage.size
    picture = stage.backdrop(tall * 0.75, stage.random.uniform(0.1, 0.45))
    stage.ranges(picture, count=stage.random.randint(4, 6), first=0.48, last=0.9, height=0.2, peaks=2)
    near = mix(stage.light.near, stage.light.leaf, 0.08)
    ground = soft(stage.random, stage.size[0], base=tall * 0.98, height=tall * 0.07, waves=2)
    trees.conifers(
        picture, stage.random, ground, (near, near), tall=tall * 0.09, gap=tall * 0.021, spread=0.5
    )
    land.hill(picture, ground, (near, stage.light.near), reach=tall * 0.05)
    if not stage.light.dark:
        sky.birds(picture, stage.light, stage.random, tall * 0.5)
    return picture


SCENES: Final[tuple[Scene, ...]] = (
    Scene(
        "snowy peaks above a forest",
        frozenset(("mountain", "peak", "alp", "snow", "winter", "summit", "ski", "hik")),
        _peaks,
        (lights.DAWN, lights.DAY, lights.ROSE, lights.GOLD, lights.NIGHT, lights.VIOLET, lights.AUTUMN),
    ),
    Scene(
        "mountains mirrored in a lake",
        frozenset(("lake", "water", "mountain", "reflect", "mirror", "river", "calm")),
        _lake,
        (lights.DAWN, lights.DAY, lights.ROSE, lights.POLAR, lights.VIOLET, lights.GOLD, lights.NIGHT),
    ),
    Scene(
        "rolling hills and a lone tree",
        frozenset(("hill", "tree", "meadow", "field", "green", "spring", "farm", "summer")),
        _hills,
        (lights.DAY, lights.GOLD, lights.AUTUMN, lights.DAWN, lights.EMBER),
    ),
    Scene(
        "islands in the sea",
        frozenset(("sea", "ocean", "island", "beach", "coast", "wave", "sun", "water")),
        _coast,
        (lights.EMBER, lights.DAY, lights.ROSE, lights.GOLD, lights.VIOLET),
    ),
    Scene(
        "forests in the fog",
        frozenset(("forest", "tree", "fog", "wood", "mist", "pine", "autumn")),
        _forest,
        (lights.MIST, lights.DAWN, lights.AUTUMN, lights.POLAR, lights.VIOLET),
    ),
    Scene(
        "mountain ranges, one behind the other",
        frozenset(("mountain", "sunset", "range", "evening", "layer", "valley")),
        _ranges,
        (lights.EMBER, lights.MIST, lights.VIOLET, lights.GOLD, lights.ROSE, lights.NIGHT),
    ),
    Scene(
        "dunes in the desert",
        frozenset(("desert", "dune", "sand", "sun", "hot")),
        _dunes,
        (lights.GOLD, lights.EMBER, lights.DAY, lights.NIGHT, lights.VIOLET),
    ),
)
"""All there is to see, in the order of pictures for words that name none of it."""
