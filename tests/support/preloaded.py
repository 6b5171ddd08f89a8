"""Small libraries in C that are preloaded into processes under test, to let them see another world."""

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Final

COMPILER: Final = shutil.which("cc")
"""Without one there are none."""

_SOURCES: Final = Path(__file__).parent / "native"


async def compiled(name: str, folder: Path) -> Path:
    """Make the library of this name in a folder."""
    assert COMPILER
    library = folder / f"{name}.so"
    command = [COMPILER, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCES / f"{name}.c"), "-ldl"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    return library
