"""The sheet a scene is painted on, with what several scenes have in common."""

from dataclasses import dataclass
from random import Random

from PIL import Image

from job_worker.tasks.image_search.painting import light as lights
from job_worker.tasks.image_search.painting import sky, trees
from job_worker.tasks.image_search.painting.canvas import Point, fill
from job_worker.tasks.image_search.painting.light import Light, mix
from job_worker.tasks.image_search.painting.ridge import Ridge, below, rough, soft


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
        self,
        picture: Image.Image,
        *,
        count: int,
        first: float,
        last: float,
        height: float,
        peaks: int,
        darkest: float = 1.0,
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
                peaks=max(1, peaks + self.random.randint(-1, 1) + layer // 2),
                roughness=0.75,
            )
            tone = mix(
                self.light.haze,
                mix(self.light.near, self.light.leaf, 0.35 * (1 - near)),
                near**1.25 * 0.92 * darkest,
            )
            fog = mix(tone, self.light.haze, 0.62 - 0.3 * near * darkest)
            fill(picture, [below(ridge, min(tall, base + tall * 0.2))], (tone, fog))
            picture.paste(fog, (0, round(min(tall, base + tall * 0.2)), width, tall))
        return ridge

    def woods(self, picture: Image.Image, *, rows: int, first: float, last: float) -> None:
        """Draw row before row of firs, each darker and taller than the one behind it."""
        (width, tall), random, light = self.size, self.random, self.light
        for row in range(rows):
            near = (row + 1) / rows
            base = tall * (first + (last - first) * row / max(1, rows - 1))
            ground = soft(random, width, base=base, height=tall * 0.06, waves=3)
            tone = mix(mix(light.haze, light.leaf, 0.45), light.near, near**0.8)
            foot = mix(tone, light.haze, 0.42 * (1 - near))
            size = tall * (0.045 + 0.085 * near)
            trees.conifers(picture, random, ground, (tone, tone), tall=size, gap=size * 0.34)
            fill(picture, [below(ground, min(tall, base + tall * 0.16))], (tone, foot))
            picture.paste(foot, (0, round(min(tall, base + tall * 0.16)), width, tall))

    def frame(self, picture: Image.Image) -> None:
        """Put near trees into one corner, which gives the view its depth."""
        (width, tall), random, light = self.size, self.random, self.light
        left = random.random() < 0.5
        ground = soft(random, width, base=tall * 1.01, height=tall * 0.03, waves=2)
        reach = width * random.uniform(0.28, 0.45)
        slope = [
            (x, y + (max(0.0, (x if left else width - x) / reach - 0.4) * tall * 0.1)) for x, y in ground
        ]
        trees.conifers(
            picture, random, slope, (light.near, light.near), tall=tall * 0.26, gap=tall * 0.075, spread=0.5
        )
        fill(picture, [below(slope, tall + 5)], (light.near, light.near))
