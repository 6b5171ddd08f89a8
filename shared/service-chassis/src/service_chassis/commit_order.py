"""How far a group may commit: up to where everything before is done, by partition."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition

_MAX_ENTRIES: Final = 32
"""Entries of a partition above which neighbours that are both done become one."""


@dataclass(slots=True)
class Span:
    """A batch's part of one partition: it ends before this offset."""

    place: TopicPartition
    end: int
    done: bool = False


class CommitOrder:
    """Remembers offsets of batches under way, never their records.

    However long one batch takes, those behind it cost no more than a few numbers: what is done
    beside what is done becomes one.
    """

    def __init__(self) -> None:
        self._lines: dict[TopicPartition, deque[Span]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def begin(self, ends: Mapping[TopicPartition, int]) -> list[Span]:
        """Note a batch that comes after all others; returns what `end` takes."""
        spans = [Span(place, end) for place, end in ends.items()]
        for span in spans:
            self._lines.setdefault(span.place, deque()).append(span)
        return spans

    def end(self, spans: Iterable[Span]) -> dict[TopicPartition, int]:
        """A batch is done: return the offsets that may be committed because of it."""
        offsets: dict[TopicPartition, int] = {}
        for span in spans:
            span.done = True
            line = self._lines.get(span.place)
            while line and line[0].done:
                offsets[span.place] = line.popleft().end
            if line and len(line) > _MAX_ENTRIES:
                following = list(line)[1:]
                kept = [s for s, after in zip(line, following, strict=False) if not (s.done and after.done)]
                self._lines[span.place] = deque([*kept, line[-1]])
        return offsets

    def clear(self) -> None:
        """Forget all: the partitions move, and what was not committed is read again."""
        self._lines.clear()
