"""Makes pictures to be shown of a stranger's bytes, in a process of its own for each."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from job_worker.tasks.image_search.blurhash import blur_hash
from job_worker.tasks.image_search.gallery import KeptImage

_DARKROOM: Final = Path(__file__).with_name("darkroom.py")
_PATIENCE: Final = 20.0
"""Seconds, above the process's own limit of CPU time: a busy machine is slow."""
_AT_ONCE: Final = 2
_MAGIC: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


class NoPictureError(Exception):
    """There is no picture to be had; the text says why and quotes nothing of a stranger's.

    `passing` says whether another try may fare better.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class PictureRefusedError(NoPictureError):
    """The bytes are no picture to be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Developed:
    """What was made of a picture: its widths from the largest, its average colour and its blur hash."""

    sizes: tuple[KeptImage, ...]
    color: str
    blur_hash: str


class Developing:
    """Starts the processes, a few at a time: each may use a whole core."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def develop(self, data: bytes) -> Developed:
        """Return the picture in three widths.

        Raises
        ------
        PictureRefusedError
            It is none, or one that would harm.
        """
        if not is_picture(data):
            raise PictureRefusedError("it is no JPEG, PNG or WebP")
        async with self._room:
            answer = await _ask(data)
        line, _, rest = answer.partition(b"\n")
        if not line:
            raise PictureRefusedError("its decoder was ended: it took too much time or memory")
        said: dict[str, Any] = json.loads(line)
        if "refused" in said:
            raise PictureRefusedError(said["refused"])
        parts = []
        for length in said["lengths"]:
            parts.append(rest[:length])
            rest = rest[length:]
        *sizes, pixels = parts
        little = Image.frombytes("RGB", (32, 32), pixels)
        return Developed(
            sizes=tuple(
                KeptImage("image/webp", part, width, height)
                for part, (width, height) in zip(sizes, said["sizes"], strict=True)
            ),
            color=f"#{little.resize((1, 1), Image.Resampling.BOX).tobytes().hex()}",
            blur_hash=blur_hash(little),
        )


def is_picture(data: bytes) -> bool:
    """Whether the first bytes are those of a JPEG, a PNG or a WebP.

    >>> is_picture(b"<svg/>"), is_picture(b"GIF89a"), is_picture(b"RIFF....WEBP")
    (False, False, True)
    """
    return data.startswith(_MAGIC) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


async def _ask(data: bytes) -> bytes:
    # Nothing of our environment goes with it: that holds keys and passwords.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_DARKROOM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        cwd="/",
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            answer, _ = await process.communicate(data)
    except TimeoutError:
        # Its own limit counts what it computes; this one tells of a busy machine.
        raise PictureRefusedError("its decoder took too long", passing=True) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return answer
