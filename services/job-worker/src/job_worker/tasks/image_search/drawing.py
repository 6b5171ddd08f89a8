"""From a painting to what is kept: JPEGs in three sizes, a blur hash, an average colour."""

from dataclasses import dataclass
from io import BytesIO
from random import Random
from typing import Final

from PIL import Image

from job_worker.tasks.image_search.blurhash import blur_hash
from job_worker.tasks.image_search.gallery import KeptImage
from job_worker.tasks.image_search.painting import paint
from job_worker.tasks.image_search.pictures import Orientation

_WIDTHS: Final = (1080, 400, 200)
_TALL: Final = {
    Orientation.LANDSCAPE: (720, 720, 675, 810),
    Orientation.PORTRAIT: (1350, 1440),
    Orientation.SQUARISH: (1080,),
    None: (720, 720, 675, 810, 720, 1350),
}
"""Heights to choose from at the regular width; without a wish most are broad, as photographs are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """All that is remembered of a drawing besides its bytes."""

    hashes: tuple[str, ...]
    """Of the regular, small and thumb size."""

    width: int
    height: int
    color: str
    blur_hash: str
    description: str


def draw(query: str, number: int, orientation: Orientation | None) -> tuple[Drawn, list[KeptImage]]:
    """Draw picture `number` for the words; the same arguments give the same bytes. Runs in a thread."""
    tall = Random(f"{query}\x00{number}\x00form").choice(_TALL[orientation])
    painting = paint(query, number, (_WIDTHS[0], tall))
    image = painting.image
    sizes = [_jpeg(image, width) for width in _WIDTHS]
    little = image.resize((32, 32), Image.Resampling.BOX)
    average = little.resize((1, 1), Image.Resampling.BOX).tobytes()
    drawn = Drawn(
        hashes=tuple(size.hash for size in sizes),
        width=image.width,
        height=image.height,
        color=f"#{average.hex()}",
        blur_hash=blur_hash(little),
        description=painting.description,
    )
    return drawn, sizes


def _jpeg(image: Image.Image, width: int) -> KeptImage:
    if width != image.width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    data = BytesIO()
    image.save(data, "JPEG", quality=86, optimize=True, progressive=True)
    return KeptImage("image/jpeg", data.getvalue(), image.width, image.height)
