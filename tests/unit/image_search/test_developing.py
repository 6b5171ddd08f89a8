"""What the process for strangers' pictures makes, what it refuses, and what it may not do."""

import asyncio
import json
import os
import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from job_worker.tasks.image_search import darkroom
from job_worker.tasks.image_search.developing import Developed, Developing, PictureRefusedError
from tests.support.stand_in import photograph


async def develop(data: bytes) -> Developed:
    return await Developing().develop(data)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    data = BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG with one bit a pixel, all black: some hundred bytes a thousand rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, row = zlib.compressobj(9), bytes(width // 8 + 2)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
async def test_a_picture_becomes_three_widths_of_webp_with_colour_and_blur(form: str) -> None:
    made = await develop(saved(Image.new("RGB", (1600, 1200), "#804020"), form, quality=95))
    assert [(size.width, size.height) for size in made.sizes] == [(1080, 810), (400, 300), (200, 150)]
    for size in made.sizes:
        assert size.content_type == "image/webp"
        with Image.open(BytesIO(size.data), formats=["WEBP"]) as picture:
            assert picture.size == (size.width, size.height)
    assert all(abs(int(made.color[i : i + 2], 16) - v) < 8 for i, v in ((1, 0x80), (3, 0x40), (5, 0x20)))
    assert len(made.blur_hash) == 28


async def test_a_small_picture_is_not_blown_up() -> None:
    made = await develop(photograph(1, (300, 200)))
    assert [(size.width, size.height) for size in made.sizes] == [(300, 200), (300, 200), (200, 133)]
    assert made.sizes[0].hash == made.sizes[1].hash


async def test_what_is_transparent_becomes_white() -> None:
    made = await develop(saved(Image.new("RGBA", (90, 60), (0, 0, 0, 0)), "PNG"))
    assert made.color == "#ffffff"


async def test_a_picture_is_turned_as_its_camera_was_held_and_loses_what_else_its_file_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "taken at home, canary"
    made = await develop(saved(Image.new("RGB", (600, 400)), "JPEG", exif=exif))
    assert (made.sizes[0].width, made.sizes[0].height) == (400, 600)
    assert all(b"canary" not in size.data and b"EXIF" not in size.data for size in made.sizes)


POLYGLOT = b"<script>alert('canary')</script><?php canary ?>"
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a PNG of 50,000 × 50,000": (lambda: png_of(50_000, 50_000), "more than 40000000 pixels"),
    "a PNG a little over the limit": (lambda: png_of(7_000, 6_000), "more than 40000000 pixels"),
    "a strip": (lambda: png_of(4_000, 10), "a strip"),
    "FITS": (lambda: b"SIMPLE  =                    T".ljust(2880), "no JPEG, PNG or WebP"),
    "SVG": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG, PNG or WebP"),
    "GIF": (lambda: saved(Image.new("P", (9, 9)), "GIF"), "no JPEG, PNG or WebP"),
    "TIFF": (lambda: saved(Image.new("RGB", (9, 9)), "TIFF"), "no JPEG, PNG or WebP"),
    "PDF": (lambda: b"%PDF-1.7\n", "no JPEG, PNG or WebP"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", "no JPEG, PNG or WebP"),
    "a page": (lambda: b"<!doctype html><title>Sorry</title>", "no JPEG, PNG or WebP"),
    "nothing": (lambda: b"", "no JPEG, PNG or WebP"),
    "a script that begins like a PNG": (lambda: b"\x89PNG\r\n\x1a\n" + POLYGLOT, "cannot be decoded"),
    "a script that begins like a JPEG": (lambda: b"\xff\xd8\xff\xe0" + POLYGLOT, "cannot be decoded"),
    "a WebP that is none": (lambda: b"RIFF\x10\x00\x00\x00WEBPVP8 " + POLYGLOT, "cannot be decoded"),
    "half a JPEG": (lambda: photograph(1)[:5_000], "cannot be decoded"),
    "an ICO within a PNG's name": (lambda: b"\x89PNG\r\n\x1a\n\x00\x00\x01\x00" * 40, "cannot be decoded"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_picture_or_one_that_harms_is_refused_and_says_why(name: str) -> None:
    make, why = REFUSED[name]
    with pytest.raises(PictureRefusedError, match=why) as caught:
        await develop(make())
    assert "canary" not in str(caught.value)


async def test_what_hides_behind_a_picture_is_not_in_what_is_made_of_it() -> None:
    made = await develop(photograph(1) + POLYGLOT)
    assert all(b"canary" not in size.data for size in made.sizes)


def test_a_bomb_takes_little_memory_of_its_process() -> None:
    bomb = png_of(50_000, 50_000)
    script = Path(darkroom.__file__)
    # Of all children so far: a process of its own that starts the one to be measured tells of that one alone.
    measure = (
        "import resource, subprocess, sys;"
        f"done = subprocess.run([sys.executable, '-I', {str(script)!r}], stdin=sys.stdin, capture_output=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.stdout.decode())"
    )
    done = subprocess.run([sys.executable, "-c", measure], input=bomb, capture_output=True, check=True)
    kilobytes, _, said = done.stdout.decode().partition(" ")
    assert "more than 40000000 pixels" in json.loads(said)["refused"]
    assert int(kilobytes) < 100 * 1024


async def test_the_largest_picture_fits_into_its_process() -> None:
    made = await develop(png_of(7_300, 5_400))
    assert made.sizes[0].width == 1080


def _confined(statement: str) -> subprocess.CompletedProcess[str]:
    folder = Path(darkroom.__file__).parent
    code = f"""
        import os, socket, sys
        sys.path.insert(0, {str(folder)!r})
        import darkroom
        darkroom.confine()
        {statement}
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("socket.socket()", "Too many open files"),
        ("open('/etc/hostname')", "Too many open files"),
        ("bytearray(1024 ** 3)", "MemoryError"),
        ("os.pipe()", "Too many open files"),
        ("os.close(0); socket.socket()", "Too many open files"),
        ("os.closerange(0, 2); open('/etc/hostname')", "Too many open files"),
        ("os.dup(1)", "Invalid argument"),
        ("os.dup2(1, 0)", "Bad file descriptor"),
    ],
)
def test_its_process_has_no_network_no_files_and_little_memory(statement: str, error: str) -> None:
    done = _confined(statement)
    assert done.returncode == 1
    assert error in done.stderr


async def test_its_process_knows_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = tmp_path / "environment"
    spy = tmp_path / "darkroom.py"
    spy.write_text(f"import os, pathlib; pathlib.Path({str(told)!r}).write_text(repr(dict(os.environ)))")
    monkeypatch.setenv("UNSPLASH__ACCESS_KEY", "canary-key")
    monkeypatch.setattr("job_worker.tasks.image_search.developing._DARKROOM", spy)
    with pytest.raises(PictureRefusedError, match="was ended"):
        await develop(photograph(1))
    assert "canary" not in told.read_text()


async def test_a_cancelled_search_leaves_no_process_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    sleeper = tmp_path / "darkroom.py"
    sleeper.write_text(
        f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    monkeypatch.setattr("job_worker.tasks.image_search.developing._DARKROOM", sleeper)
    developing = asyncio.create_task(develop(photograph(1)))
    async with asyncio.timeout(20):
        while not (pid.exists() and pid.read_text()):  # noqa: ASYNC110  a file has no event
            await asyncio.sleep(0.01)
    developing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await developing
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
