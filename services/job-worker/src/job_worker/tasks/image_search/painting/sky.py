"""What is above the horizon: light, sun or moon, clouds, stars, northern lights, birds."""

from math import pi, sin
from random import Random

from PIL import Image, ImageChops, ImageDraw

from job_worker.tasks.image_search.painting.canvas import Point, disc, fill, glow, gradient
from job_worker.tasks.image_search.painting.light import Light, mix


def sky(size: tuple[int, int], light: Light, horizon: float) -> Image.Image:
    """Return a picture that is all sky, lightest at the horizon."""
    picture = Image.new("RGB", size, light.sky[-1])
    picture.paste(gradient((size[0], round(horizon)), light.sky), (0, 0))
    return picture


def sun(picture: Image.Image, light: Light, at: Point, radius: float) -> None:
    """Draw the sun in its glow."""
    for reach, strength in ((14, 0.35), (6, 0.45), (2.4, 0.6)):
        glow(picture, at, radius * reach, light.sun, strength)
    disc(picture, at, radius, mix(light.sun, (255, 255, 255), 0.35))


def moon(picture: Image.Image, light: Light, at: Point, radius: float, random: Random) -> None:
    """Draw the moon, full or as a crescent, with its seas."""
    glow(picture, at, radius * 9, light.sun, 0.35)
    glow(picture, at, radius * 3, light.sun, 0.3)
    if random.random() < 0.45:
        disc(picture, at, radius, light.sun, without=(at[0] + radius * 0.55, at[1] - radius * 0.25))
        return
    disc(picture, at, radius, light.sun)
    for _ in range(7):
        spot = (at[0] + random.uniform(-0.55, 0.55) * radius, at[1] + random.uniform(-0.55, 0.55) * radius)
        glow(picture, spot, radius * random.uniform(0.2, 0.42), mix(light.sun, light.sky[2], 0.6), 0.55)


def stars(picture: Image.Image, random: Random, horizon: float) -> None:
    """Scatter stars, denser along a band, as the Milky Way is."""
    width = picture.width
    band = Image.new("L", picture.size)
    draw = ImageDraw.Draw(band)
    tilt, middle, breadth = random.uniform(-0.5, 0.5), random.uniform(0.2, 0.5) * horizon, horizon * 0.22
    for place in range(900):
        x = random.uniform(0, width)
        if place % 2:
            y = middle + tilt * (x - width / 2) + random.gauss(0, 0.45) * breadth
        else:
            y = random.uniform(0, horizon)
        if not 0 <= y < horizon:
            continue
        brightness = round(255 * random.random() ** 2.2 * (1 - y / horizon * 0.7)) + 35
        draw.point((x, y), fill=min(255, brightness))
        if brightness > 190:
            draw.ellipse((x - 1, y - 1, x + 1, y + 1), fill=min(255, brightness))
    picture.paste((255, 250, 238), (0, 0), band)
    milk = cloud_mask((width, round(horizon)), random, stretch=2, cover=0.55)
    fade = Image.linear_gradient("L").point([round(90 * sin(pi * v / 255) ** 3) for v in range(256)])
    band = fade.resize((round(width * 1.6), round(breadth * 2.4)))
    band = band.rotate(-tilt * 50, expand=True, resample=Image.Resampling.BILINEAR)
    place_at = (round(width / 2 - band.width / 2), round(middle - band.height / 2))
    lane = Image.new("L", milk.size)
    lane.paste(band, place_at)
    picture.paste((176, 190, 226), (0, 0), ImageChops.multiply(lane, milk))


def aurora(picture: Image.Image, random: Random, horizon: float) -> None:
    """Hang curtains of northern lights into the sky; drawn small, as they have no edges."""
    size = (picture.width, round(horizon))
    width, height = max(2, size[0] // 4), max(2, size[1] // 4)
    step = 2
    for tint, brightness in (((70, 255, 170), 220), ((60, 210, 235), 130), ((190, 90, 235), 120)):
        rays = random.randbytes(90)
        veil = Image.new("L", (width, height))
        start, swing, length = (
            random.uniform(0.45, 0.75),
            random.uniform(0.08, 0.18),
            random.uniform(0.35, 0.6),
        )
        phase, turns = random.uniform(0, 2 * pi), random.uniform(0.8, 1.8)
        fall = Image.linear_gradient("L").point(
            [
                round(brightness * (v / 215) ** 2.2 if v < 215 else brightness * ((255 - v) / 40) ** 1.5)
                for v in range(256)
            ]
        )
        for x in range(0, width, step):
            wave = sin(phase + turns * 2 * pi * x / width) + 0.35 * sin(
                2.3 * phase + turns * 5 * pi * x / width
            )
            strength = 0.3 + 0.7 * rays[x * 90 // width] / 255
            tall = max(1, round(height * length * (0.6 + 0.4 * strength)))
            column = fall.resize((step, tall)).point([round(v * strength) for v in range(256)])
            veil.paste(column, (x, round(height * (start + swing * wave)) - tall))
        soft = veil.resize((max(1, width // 2), max(1, height // 3))).resize(size, Image.Resampling.BICUBIC)
        sharp = veil.resize(size, Image.Resampling.BICUBIC).point([v // 2 for v in range(256)])
        picture.paste(tint, (0, 0), ImageChops.lighter(soft, sharp))


def cloud_mask(size: tuple[int, int], random: Random, *, stretch: float, cover: float) -> Image.Image:
    """Return a mask of clouds: noise of four sizes, one upon the other, cut off below a level."""
    width, height = size
    noise = Image.new("L", (width // 3, height // 3), 128)
    for octave in range(5):
        cells = 3 * 2**octave
        grain = (max(2, round(cells * width / height / stretch)), max(2, cells))
        layer = Image.frombytes("L", grain, random.randbytes(grain[0] * grain[1]))
        layer = layer.resize(noise.size, Image.Resampling.BICUBIC)
        noise = Image.blend(noise, layer, 0.5 if octave == 0 else 0.42 / octave**0.55)
    level = 160 - 70 * cover
    mask = noise.point([round(max(0.0, min(1.0, (v - level) / 62)) ** 1.3 * 255) for v in range(256)])
    return mask.resize(size, Image.Resampling.BICUBIC)


def clouds(picture: Image.Image, light: Light, random: Random, horizon: float, cover: float) -> None:
    """Draw clouds that are lit from below by the horizon and thin out towards the top."""
    size = (picture.width, round(horizon))
    mask = cloud_mask(size, random, stretch=random.uniform(2.2, 4.5), cover=cover)
    fade = Image.linear_gradient("L").point(
        [round(215 * min(1, v / 90) * min(1, (285 - v) / 90)) for v in range(256)]
    )
    mask = ImageChops.multiply(mask, fade.resize(size))
    bright = mix(light.sky[-1], (255, 255, 255), 0.0 if light.dark else 0.5)
    tint = gradient(size, [mix(light.sky[1], bright, 0.55), mix(light.sky[3], bright, 0.85), bright])
    shade = gradient(
        size, [mix(light.sky[0], light.haze, 0.5), mix(light.sky[2], light.haze, 0.6), light.haze]
    )
    picture.paste(shade, (0, 0), mask)
    picture.paste(tint, (0, 0), ImageChops.multiply(mask, ImageChops.offset(mask, 0, round(size[1] * 0.03))))


def birds(picture: Image.Image, light: Light, random: Random, horizon: float) -> None:
    """Let a few birds fly far away."""
    x, y = picture.width * random.uniform(0.2, 0.75), horizon * random.uniform(0.25, 0.6)
    wings = []
    for _ in range(random.randint(4, 8)):
        x += random.uniform(-50, 60)
        y += random.uniform(-22, 22)
        span, lift = random.uniform(7, 12), random.uniform(2, 5)
        wings.append([
            (x - span, y - lift), (x - span * 0.45, y - lift * 1.2), (x, y),
            (x + span * 0.45, y - lift * 1.2), (x + span, y - lift), (x + span * 0.4, y - lift * 0.5), (x, y + 1.5),
            (x - span * 0.4, y - lift * 0.5),
        ])  # fmt: skip
    fill(picture, wings, [mix(light.near, light.haze, 0.25)] * 2)
