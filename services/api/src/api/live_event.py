"""A change of a job as live readers get it: decoded once, encoded once, the bytes shared by all."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from job_contracts.lifecycle import FINAL, JobState
from job_contracts.messages import JobChanged, JobProgressed
from job_contracts.views import JobView, encode_view, job_view, one_line, result_url

LISTED_LIMIT: Final = 4 * 1024
"""Bytes of payload or result that a view carries on a stream of many jobs."""

Moment = tuple[int, int]
"""(version, revision): what is not greater has been seen."""


class Routing(Struct, frozen=True, gc=False):
    """What filters look at."""

    task: str
    state: str
    tags: list[str]
    batch: str | None


class _Progress(Struct, frozen=True):
    id: str
    version: int
    revision: int
    percent: float
    message: str | None


_DATA: Final = b"\ndata: "

_routings = msgspec.json.Decoder(Routing)
_views = msgspec.json.Decoder(JobView)


def frame(event: str, data: bytes, *, event_id: str | None = None) -> bytes:
    r"""Return one server-sent event.

    >>> frame("end", b"{}", event_id="3.0")
    b'event: end\nid: 3.0\ndata: {}\n\n'
    """
    if event_id is None:
        return b"event: %s\ndata: %s\n\n" % (event.encode(), data)
    return b"event: %s\nid: %s\ndata: %s\n\n" % (event.encode(), event_id.encode(), data)


class LiveEvent:
    """One change: where it goes, and its frame, of which there is one copy: ten thousand events are kept."""

    __slots__ = ("_frame", "_short", "job_id", "moment", "name", "owner", "routing")

    def __init__(
        self, *, job_id: str, owner: str, moment: Moment, routing: Routing | None, name: str, data: bytes
    ) -> None:
        self.job_id = job_id
        self.owner = owner
        self.moment = moment
        self.routing = routing
        self.name = name
        self._frame = frame(name, data)
        self._short: bytes | None = None

    @classmethod
    def of_change(cls, message: JobChanged) -> "LiveEvent":
        """Return the event of a move; `msgspec.DecodeError` if the view in it is none."""
        data = one_line(bytes(message.job))
        event = cls(
            job_id=message.job_id,
            owner=message.owner,
            moment=(message.version, message.revision),
            routing=_routings.decode(data),
            name="job",
            data=data,
        )
        if len(event._frame) > LISTED_LIMIT:
            # Only a view can be shortened: what is none must be found out here, not while it is sent.
            event._short = frame(event.name, _cut(data))
        return event

    @classmethod
    def of_progress(cls, message: JobProgressed) -> "LiveEvent":
        """Return the event of a progress; it knows nothing that filters ask for."""
        data = _Progress(message.job_id, message.version, message.revision, message.percent, message.message)
        return cls(
            job_id=message.job_id,
            owner=message.owner,
            moment=(message.version, message.revision),
            routing=None,
            name="progress",
            data=msgspec.json.encode(data),
        )

    @classmethod
    def of_record(cls, record: Mapping[str, Any], result: bytes | None) -> "LiveEvent":
        """Return the stored state of a job as an event."""
        return cls(
            job_id=record["_id"],
            owner=record["owner"],
            moment=(record["version"], record["revision"]),
            routing=Routing(record["task"], record["state"], record.get("tags", []), record.get("batch")),
            name="job",
            data=encode_view(job_view(record, result)),
        )

    @property
    def is_progress(self) -> bool:
        """Whether only the progress within an attempt has changed."""
        return self.name == "progress"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.state in FINAL

    @property
    def state(self) -> str:
        """The job's state; only running jobs make progress."""
        return self.routing.state if self.routing else str(JobState.RUNNING)

    @property
    def data(self) -> bytes:
        """One line of JSON: the view of the job, or its progress."""
        return self._frame[self._frame.index(_DATA) + len(_DATA) : -2]

    @property
    def whole(self) -> bytes:
        """The frame for those who watch this one job: with an id to resume from."""
        return frame(self.name, self.data, event_id=f"{self.moment[0]}.{self.moment[1]}")

    @property
    def listed(self) -> bytes:
        """The frame for those who watch many jobs: without what is long."""
        if self._short is None:
            is_long = len(self._frame) > LISTED_LIMIT
            self._short = frame(self.name, _cut(self.data)) if is_long else self._frame
        return self._short


def _cut(data: bytes) -> bytes:
    view = _views.decode(data)
    changes: dict[str, Any] = {}
    if len(view.payload) > LISTED_LIMIT:
        changes["payload"] = Raw(b"null")
    if len(view.result) > LISTED_LIMIT:
        changes |= {"result": Raw(b"null"), "result_url": result_url(view.id)}
    return encode_view(msgspec.structs.replace(view, **changes)) if changes else data
