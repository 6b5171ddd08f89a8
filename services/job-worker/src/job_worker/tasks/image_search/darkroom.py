"""The process in which a stranger's picture is decoded: it has limits, no network, no secrets.

Run as a file by `developing.py`, which gives it the picture on standard input. What it makes goes to
standard output: a line of JSON, then the bytes of each part in the order the line names them. One that
must not be shown is said in that line as well.
"""

import json
import resource
import sys
import warnings
from io import BytesIO
from typing import Final

from PIL import Image, ImageFile, ImageOps

FORMATS: Final = ("JPEG", "PNG", "WEBP")
WIDTHS: Final = (1080, 400, 200)

_PIXELS: Final = 40_000_000
"""More than cameras of telephones make; 160 MB when decoded."""
_SIDES: Final = 3
"""The longer side in shorter ones: a strip is no picture, and its thumbnails would be huge."""
_MEMORY: Final = 640 * 1024 * 1024
_SECONDS: Final = 10
_QUALITY: Final = 82


class RefusalError(Exception):
    """It could be decoded, and shall not be."""


def confine() -> None:
    """Take from this process what decoding needs not: memory, time, files, and with them any network."""
    _warm_up()
    for limit, value in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        # What is open stays so. Nothing can be opened, not even in the place of what is closed: no file, no socket.
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _warm_up() -> None:
    """Load now what Pillow loads when it first needs it: later no file can be opened."""
    for name in FORMATS:
        data = BytesIO()
        Image.new("RGBA" if name == "PNG" else "RGB", (2, 2)).save(data, name)
        with Image.open(data, formats=[name]) as picture:
            ImageOps.exif_transpose(picture).convert("RGB").resize((1, 1), Image.Resampling.LANCZOS)


def develop(data: bytes) -> tuple[dict[str, object], list[bytes]]:
    """Return what there is to say of the picture, and its parts: three widths as WebP, 32 × 32 raw pixels.

    Raises
    ------
    Exception
        It is no picture to be shown; what a decoder of broken bytes raises, nobody has written down.
    """
    Image.MAX_IMAGE_PIXELS = _PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("error")
    with Image.open(BytesIO(data), formats=FORMATS) as opened:
        if max(opened.size) > _SIDES * min(opened.size):
            raise RefusalError("it is a strip")
        # A JPEG is decoded in the next size above the one wanted: an eighth of the work.
        opened.draft("RGB", (WIDTHS[0], WIDTHS[0]))
        opened.load()
        image = _flat(ImageOps.exif_transpose(opened))
    sizes, parts = [], []
    for width in WIDTHS:
        width = min(width, image.width)  # noqa: PLW2901  never blown up
        height = max(1, round(image.height * width / image.width))
        image = image if width == image.width else image.resize((width, height), Image.Resampling.LANCZOS)
        encoded = BytesIO()
        image.save(encoded, "WEBP", quality=_QUALITY, method=4)
        sizes.append((width, height))
        parts.append(encoded.getvalue())
    little = image.resize((32, 32), Image.Resampling.BOX)
    parts.append(little.tobytes())
    return {"sizes": sizes, "lengths": [len(part) for part in parts]}, parts


def _flat(image: Image.Image) -> Image.Image:
    """Return the picture on white, without what else its file said: profiles, places, names."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    image = image.convert("RGB")
    image.info.clear()
    return image


def _reason(error: Exception) -> str:
    match error:
        case RefusalError():
            return str(error)
        case Image.DecompressionBombWarning() | Image.DecompressionBombError():
            return f"it has more than {_PIXELS} pixels"
        case MemoryError():
            return "it takes too much memory"
        case _:
            # Not the error's own text: it may quote the picture.
            return f"it cannot be decoded ({type(error).__name__})"


def main() -> None:
    """Develop one picture."""
    confine()
    data = sys.stdin.buffer.read()
    said: dict[str, object]
    try:
        said, parts = develop(data)
    except Exception as error:  # noqa: BLE001  whatever a decoder says, the picture is to blame
        said, parts = {"refused": _reason(error)}, []
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\n" + b"".join(parts))


if __name__ == "__main__":
    main()
