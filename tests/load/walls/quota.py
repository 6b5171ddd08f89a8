"""What one ask for a call costs the event loop, by how many calls a window allows: bytes in, decision, bytes out."""

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import quantiles
from typing import Any, Final

import bson

from job_worker.upstream.account import PLACES, Account, Place
from job_worker.upstream.documents import account_document, account_from
from job_worker.upstream.uses import Key, Rate, Use
from tests.load.walls import Wall

_LIMITS: Final = (50, 1_000, 5_000, 500_000)
_WINDOW: Final = timedelta(hours=1)
_NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
_ASKS: Final = 300
_OPTIONS: Final[bson.CodecOptions[dict[str, Any]]] = bson.CodecOptions(tz_aware=True)


async def measure() -> list[Wall]:
    """Measure one ask with full accounts, and with a full queue before one of them."""
    walls = []
    for limit in _LIMITS:
        took, size = _asks(limit, places=0)
        walls.append(Wall(f"one ask, {limit} calls an hour used", took, 1_000, "µs"))
        walls.append(Wall(f"its document, {limit} calls an hour used", size / 1024, 64, "KiB"))
    took, size = _asks(_LIMITS[-1], places=PLACES)
    walls.append(Wall(f"one ask, {PLACES} jobs in the queue", took, 1_000, "µs"))
    walls.append(Wall(f"its document, {PLACES} jobs in the queue", size / 1024, 256, "KiB"))
    return walls


def _asks(limit: int, *, places: int) -> tuple[float, int]:
    """Return the µs of an ask on a quiet core, and the bytes of the document, with one call left."""
    rates = (Rate(limit, _WINDOW),)
    moments = [_NOW - _WINDOW * (n / limit) for n in range(1, limit)]
    used = tuple(Use(at, at) for at in moments)
    queue = tuple(Place(n, f"{n:036d}", "local", _NOW + timedelta(minutes=n)) for n in range(1, places + 1))
    account = Account(rates=rates, keys=(Key("0123456789ab", used).cut(rates, _NOW),), queue=queue)
    stored = bson.encode(account_document(account))
    times = []
    for n in range(_ASKS):
        began = time.thread_time()
        document = bson.decode(stored, _OPTIONS)
        read = account_from(document, rates=rates, keys=["0123456789ab"])
        asking = partial(read.ask, now=_NOW + timedelta(milliseconds=n), flight=timedelta(seconds=15))
        changed, _ = asking(job=f"job {n}", owner="other", token="0123456789ab", reserve=True)
        bson.encode(account_document(changed))
        times.append(time.thread_time() - began)
    return quantiles(times, n=10)[0] * 1e6, len(stored)
