"""`make status`, `make logs`, `make reset`: what a person asks about a stack that runs, or ran."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import psutil

from jobstream_local.ports import is_open
from jobstream_local.services import answers
from jobstream_local.state import Home, PartState

_DATA: Final = ("kafka", "kafka-[0-9]*", "mongod", "mongod-[0-9]*", "logs", "state.json")
"""What a stack writes into its home. Only this is dropped: a home may hold other things."""


def status(folder: Path) -> int:
    """Print each process; 0 when all are ready, else 1."""
    home = Home(folder)
    state = home.read()
    if state is None or not home.owned():
        print("nothing runs; `make up` starts it")
        return 1
    print(f"launcher pid {state.pid}, {state.phase}\n")
    head = ("part", "ready", "pid", "memory", "restarts", "ports")
    with ThreadPoolExecutor(16) as pool:
        rows = [head, *pool.map(_row, state.parts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0 if all(row[1] == "yes" for row in rows[1:]) else 1


def _row(part: PartState) -> tuple[str, ...]:
    try:
        memory = f"{psutil.Process(part.pid).memory_info().rss // 2**20} MB" if part.pid else "-"
    except psutil.Error:
        memory = "-"
    port = part.probe.removeprefix("tcp:")
    ready = is_open(int(port)) if port != part.probe else answers(part.probe)
    ports = " ".join(f"{name}={number}" for name, number in part.ports.items())
    return part.name, "yes" if ready else "no", str(part.pid or "-"), memory, str(part.restarts), ports


def logs(folder: Path, service: str | None, *, last: int = 100) -> int:
    """Print the end of the logs of one service, or of all, and what comes, until Ctrl-C or the end of the stack."""
    home = Home(folder)
    pattern = f"{service}*.log" if service else "*.log"
    places: dict[Path, int] = {}
    first = True
    while True:
        files = sorted(f for f in (home.path / "logs").glob(pattern) if not f.name.endswith(".old.log"))
        if not files and first:
            there = sorted(f.stem for f in (home.path / "logs").glob("*.log"))
            print(f"no log named {pattern}; there are: {', '.join(there) or 'none yet'}")
            return 1
        for file in files:
            prefix = f"{file.stem:16} " if len(files) > 1 else ""
            _more(file, places, prefix, last if first else None)
        first = False
        if not home.owned():
            return 0
        time.sleep(0.3)


def _more(file: Path, places: dict[Path, int], prefix: str, last: int | None) -> None:
    place = places.get(file, 0)
    with file.open("rb") as stream:
        if stream.seek(0, 2) < place:
            place = 0  # put aside and begun anew
        stream.seek(place)
        chunk = stream.read()
    whole = chunk[: chunk.rfind(b"\n") + 1]
    places[file] = place + len(whole)
    lines = whole.decode(errors="replace").splitlines()
    for line in lines[-last:] if last else lines:
        print(f"{prefix}{line}", flush=True)


def reset(folder: Path) -> int:
    """Drop the data and logs of a home that nothing runs in."""
    home = Home(folder)
    gone = sorted(path for pattern in _DATA for path in home.path.glob(pattern))
    for path in gone:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    print(f"· dropped from {home.path}: {', '.join(path.name for path in gone) or 'nothing was there'}")
    return 0
