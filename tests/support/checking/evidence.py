"""What the logs of a run say, side by side: all that a verdict is made from, without any server."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from tests.support.api import FINAL, Post
from tests.support.events import Events
from tests.support.records import Document, Step
from tests.support.unsplash import Request

Place = tuple[str, int, int]
"""Topic, partition and offset of a message."""


@dataclass(slots=True)
class Findings:
    """What was counted, and what is wrong."""

    counted: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(what)

    def verdict(self, *, dumped: str = "") -> dict[str, Any]:
        """Return what was counted, unless something is wrong."""
        shown = "\n  ".join(self.wrong[:20])
        where = f"\nall logs: {dumped}" if dumped else ""
        assert not self.wrong, (
            f"{len(self.wrong)} broken promises:\n  {shown}\ncounted: {self.counted}{where}"
        )
        return self.counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """How jobs must end, and may end; one that is not named must succeed."""

    must_fail: Collection[str] = ()
    must_cancel: Collection[str] = ()
    may_fail: Collection[str] = ()
    """Those whose attempts may all have died of the fault itself."""
    may_cancel: Collection[str] = ()
    redriven: Collection[str] = ()
    """Those that somebody started anew after they had failed."""

    def of(self, job: str) -> frozenset[str]:
        """The states in which a job may end."""
        if job in self.must_fail:
            return frozenset({"failed"})
        if job in self.must_cancel:
            return frozenset({"cancelled"})
        ends = {"succeeded"}
        if job in self.may_fail:
            ends.add("failed")
        if job in self.may_cancel:
            ends.add("cancelled")
        return frozenset(ends)

    def may_have_a_letter(self, job: str) -> bool:
        return job in self.must_fail or job in self.may_fail or job in self.redriven


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The logs.

    Attributes
    ----------
    posts
        Every POST of the clients, with its answer.
    stored
        Records of all jobs that were accepted or inserted since the run began.
    steps
        Every insert and move of these, from the oplog.
    results
        Versions under which results are stored.
    kept
        Dead letters in MongoDB.
    requested, succeeded, letters, events
        All that came on the four topics.
    since
        Where the topics stood when the run began.
    pages
        Readers of the event streams that lived through it.
    upstream
        What the stand-in for Unsplash was asked.
    ends
        How the jobs must end.
    poison
        What the test itself put on topics that nobody can read.
    healed
        When the fault was over.
    """

    posts: Sequence[Post] = ()
    stored: Mapping[str, Document] = field(default_factory=dict)
    steps: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    results: Mapping[str, Sequence[int]] = field(default_factory=dict)
    kept: Sequence[Document] = ()
    requested: Sequence[ConsumerRecord] = ()
    succeeded: Sequence[ConsumerRecord] = ()
    letters: Sequence[ConsumerRecord] = ()
    events: Sequence[ConsumerRecord] = ()
    since: Mapping[TopicPartition, int] = field(default_factory=dict)
    pages: Sequence[Events] = ()
    upstream: Sequence[Request] = ()
    ends: Ends = field(default_factory=Ends)
    poison: Mapping[Place, bytes] = field(default_factory=dict)
    healed: datetime | None = None

    @cached_property
    def accepted(self) -> set[str]:
        """Jobs whose client was told that they are."""
        return {post.job for post in self.posts if post.job is not None}

    def finals(self, job: str) -> list[Step]:
        return [step for step in self.steps.get(job, ()) if step.state in FINAL]

    def told(self, job: str) -> str:
        """The life of a job in one line."""
        return " → ".join(f"{s.state} v{s.version}" for s in self.steps.get(job, ()))


def place_of(message: ConsumerRecord) -> Place:
    return message.topic, message.partition, message.offset
