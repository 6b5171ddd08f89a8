"""Server-sent events as bytes: what a stream says besides the events of jobs, and what its client said."""

import random
import re
import time
from functools import lru_cache
from typing import Final

import msgspec

from api.live_event import Moment, frame
from service_chassis.server import Scope

HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    # Who was sent away must not keep the descriptor for which there was no room.
    (b"connection", b"close"),
]
END: Final = frame("end", b"{}")
BUSY: Final = b"retry: 30000\n\n" + frame("busy", b"{}")

_MOMENT: Final = re.compile(r"(\d{1,15})\.(\d{1,15})", re.ASCII)


def retry() -> bytes:
    """When to come back after a connection is lost; not everybody at once."""
    return b"retry: %d\n\n" % random.randint(1_000, 3_000)


def bye() -> bytes:
    """The stream ends; come back after a while that differs from reader to reader."""
    return frame("bye", b'{"retry":%d}' % random.randint(500, 5_000))


def reset(reason: str) -> bytes:
    """Something was missed."""
    return frame("reset", msgspec.json.encode({"reason": f"{reason}: read GET /jobs"}))


def heartbeat() -> bytes:
    """A sign of life."""
    return frame("heartbeat", msgspec.json.encode({"at": time.time()}))


@lru_cache(maxsize=2)
def place(cursor: str) -> bytes:
    r"""A frame that fires nothing and sets the last event id; nothing if there is no cursor.

    >>> place("c1;0:812"), place("")
    (b'id: c1;0:812\n\n', b'')
    """
    return f"id: {cursor}\n\n".encode() if cursor else b""


def last_event_id(scope: Scope) -> str | None:
    """Return where the client says it was."""
    for name, value in scope["headers"]:
        if name == b"last-event-id":
            return str(value.decode("latin-1"))
    return None


def moment_of(event_id: str | None) -> Moment:
    """Read the id of an event of one job; what is none says nothing.

    >>> moment_of("3.1"), moment_of("c1;0:5")
    ((3, 1), (0, 0))
    """
    match = _MOMENT.fullmatch(event_id or "")
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)
