"""Chooses scene and light for some words and paints them."""

from dataclasses import dataclass
from random import Random

from PIL import Image

from job_worker.tasks.image_search.painting import light as lights
from job_worker.tasks.image_search.painting.scenes import SCENES, Scene
from job_worker.tasks.image_search.painting.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Painting:
    """A finished picture and what is to be seen on it."""

    image: Image.Image
    description: str


def order(words: str) -> list[Scene]:
    """Return all scenes, first those the words name, the rest from a place that depends on the words.

    >>> [scene.shows for scene in order("Snowy mountains")][:2]
    ['snowy peaks above a forest', 'mountains mirrored in a lake']
    """
    said = words.casefold().split()

    def named(scene: Scene) -> int:
        return sum(word.startswith(tuple(scene.words)) for word in said)

    start = Random(words).randrange(len(SCENES))
    return sorted(
        SCENES[start:] + SCENES[:start],
        key=lambda scene: (-named(scene), SCENES.index(scene) if named(scene) else 0),
    )


def paint(words: str, number: int, size: tuple[int, int]) -> Painting:
    """Paint picture `number` for some words: neighbours differ in scene and light, a repeat is the same."""
    random = Random(f"{words}\x00{number}")
    scene = order(words)[number % len(SCENES)]
    turn = Random(words).randrange(1_000) + number // len(SCENES) + number * 3
    light = scene.lights[turn % len(scene.lights)]
    width, tall = size
    high = light.dark or light is lights.DAY
    sun = (
        width * random.choice((random.uniform(0.15, 0.4), random.uniform(0.6, 0.85))),
        tall * (random.uniform(0.12, 0.24) if high else random.uniform(0.3, 0.46)),
    )
    image = scene.paint(Stage(size, random, light, sun))
    return Painting(image=image, description=f"{scene.shows} {light.phrase}")
