"""How many jobs of a task ended in each minute, how long they had waited and how long they ran, as sums.

A minute is one document for each owner and task, kept for a day. Whoever ends jobs adds to it, once a
batch. Times go into a histogram whose classes grow by a fifth, so that what several processes
have counted adds up and still tells a median to within a tenth.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple

from job_contracts.lifecycle import JobState
from job_contracts.views import TOLD, Record

MINUTE: Final = timedelta(minutes=1)

KEPT: Final = timedelta(days=1)
"""How long a minute is kept: a view of a working day, not an archive."""

ENDED: Final = (*TOLD, "ended_by", "waited")
"""Fields of the record of a job that has ended which whoever ends it tells others, or counts, beside `_id`."""

_SMALLEST: Final = 0.001
"""Seconds; what is shorter counts as this."""

_PER_DOUBLING: Final = 4
_LAST_CLASS: Final = 120
"""That of 12 days and more: no attempt may take longer than a day."""


class Ending(NamedTuple):
    """A job that has ended, as it is stored, and how long its last attempt ran, if one did and told."""

    record: Record
    run_seconds: float | None


class Addition(NamedTuple):
    """What to add to one minute of one task: made if it is not there yet."""

    filter: dict[str, Any]
    update: dict[str, Any]


def minute_of(moment: datetime) -> datetime:
    """Return the beginning of the minute.

    >>> minute_of(datetime(2026, 5, 1, 12, 30, 59, 999))
    datetime.datetime(2026, 5, 1, 12, 30)
    """
    return moment.replace(second=0, microsecond=0)


def class_of(seconds: float) -> int:
    """Return the class of a histogram in which a time is counted: 0 for a millisecond, 4 for two.

    >>> [class_of(seconds) for seconds in (-1, 0.001, 0.002, 1, 1.18, 86_400)]
    [0, 0, 4, 40, 41, 105]
    """
    if seconds <= _SMALLEST:
        return 0
    return min(math.floor(_PER_DOUBLING * math.log2(seconds / _SMALLEST) + 0.5), _LAST_CLASS)


def quantile(histogram: Mapping[str, int], share: float) -> float | None:
    """Return the time within which this share of what was counted stayed, in seconds; None if nothing was.

    >>> quantile({"40": 19, "80": 1}, 0.5), quantile({"40": 19, "80": 1}, 0.96), quantile({}, 0.5)
    (1.024, 1048.576, None)
    """
    left = math.ceil(sum(histogram.values()) * share)
    for number in sorted(map(int, histogram)):
        left -= histogram[str(number)]
        if left <= 0:
            return round(_SMALLEST * 2 ** (number / _PER_DOUBLING), 3)
    return None


@dataclass(slots=True)
class _Minute:
    finished: int = 0
    failed: int = 0
    times: dict[str, list[float]] = field(default_factory=lambda: {"wait": [], "run": []})


def additions(endings: Iterable[Ending]) -> list[Addition]:
    """Return what these jobs, each counted once, add to the minutes in which they ended."""
    minutes: defaultdict[tuple[str, datetime, str], _Minute] = defaultdict(_Minute)
    # Those that one move has ended have the very same moment, and follow one another.
    for (owner, ended_at, task), together in groupby(endings, key=_place):
        minute = minutes[owner, minute_of(ended_at), task]
        for record, run_seconds in together:
            if record["state"] == JobState.SUCCEEDED:
                minute.finished += 1
            else:
                minute.failed += 1
            if run_seconds is not None:
                minute.times["run"].append(run_seconds)
                if "waited" in record:  # it was claimed by a worker that notes it
                    minute.times["wait"].append(record["waited"] / 1000)
    return [
        Addition(
            {"_id": {"owner": owner, "minute": at, "task": task}},
            {"$inc": _sums(minute), "$setOnInsert": {"expire_at": at + KEPT}},
        )
        for (owner, at, task), minute in minutes.items()
    ]


def _place(ending: Ending) -> tuple[str, datetime, str]:
    return ending.record["owner"], ending.record["finished_at"], ending.record["task"]


def _sums(minute: _Minute) -> dict[str, float]:
    sums: dict[str, float] = {"finished": minute.finished, "failed": minute.failed}
    for name, times in minute.times.items():
        if times:
            sums[f"{name}.sum"] = sum(times)
            sums |= {f"{name}.classes.{number}": n for number, n in Counter(map(class_of, times)).items()}
    return sums
