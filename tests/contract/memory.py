"""Records in memory that obey guarded moves as MongoDB does: filters, pipelines, its clock."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dlq_worker.parking import DeadLetter
from job_contracts.messages import JobSucceeded
from job_contracts.minutes import ENDED, Addition
from job_contracts.record import GuardedMove
from job_contracts.views import one_line

Document = dict[str, Any]

MISSING: Final = object()


class MemoryStore:
    """Jobs, results and dead letters; every store protocol of the outcome workers in one."""

    def __init__(self) -> None:
        self.jobs: dict[str, Document] = {}
        self.results: dict[tuple[str, int], str] = {}
        self.letters: dict[str, DeadLetter] = {}
        self.minutes: dict[tuple[str, datetime, str], Counter[str]] = defaultdict(Counter)
        self.calls: list[str] = []

    async def keep(
        self,
        items: Sequence[JobSucceeded] | Sequence[DeadLetter],
        *,
        lifetime: timedelta,
        cluster: str = "cluster",
    ) -> None:
        self.calls.append("keep")
        assert lifetime > timedelta(0)
        for item in items:
            if isinstance(item, JobSucceeded):
                self.results.setdefault((item.job_id, item.version), one_line(bytes(item.result)).decode())
            else:
                self.letters.setdefault(item.id_on(cluster), item)

    async def apply(self, moves: Sequence[GuardedMove]) -> int:
        self.calls.append("apply")
        now = datetime.now(UTC)
        changed = 0
        for move in moves:
            for job_id, record in self.jobs.items():
                if matches(record, move.filter, now):
                    self.jobs[job_id] = run(move.update, record, now)
                    changed += 1
        return changed

    async def records(self, ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        self.calls.append("records")
        found = {i: self.jobs[i] for i in ids if i in self.jobs}
        return {i: {k: v for k, v in r.items() if k in {"_id", *ENDED}} for i, r in found.items()}

    async def move(
        self, moves: Sequence[GuardedMove], ids: Collection[str]
    ) -> tuple[int, dict[str, Mapping[str, Any]]]:
        return await self.apply(moves), await self.records(ids)

    async def count(self, additions: Sequence[Addition]) -> None:
        self.calls.append("count")
        for which, update in additions:
            self.minutes[tuple(which["_id"].values())].update(update["$inc"])


def matches(record: Mapping[str, Any], query: Mapping[str, Any], now: datetime) -> bool:
    """Whether MongoDB would find the record with this filter."""
    for field, wanted in query.items():
        if field == "$expr":
            if not evaluate(wanted, record, now):
                return False
        elif not _holds(_at(record, field), wanted):
            return False
    return True


def _at(record: Mapping[str, Any], path: str) -> Any:
    value: Any = record
    for name in path.split("."):
        value = value.get(name, MISSING) if isinstance(value, Mapping) else MISSING
    return value


def _holds(value: Any, wanted: Any) -> bool:
    if not (isinstance(wanted, dict) and all(key.startswith("$") for key in wanted)):
        return bool(value == wanted) or (isinstance(value, list) and wanted in value)
    return all(_CONDITIONS[name](value, argument) for name, argument in wanted.items())


_CONDITIONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$in": lambda value, argument: value in argument,
    "$all": lambda value, argument: value is not MISSING and set(argument) <= set(value),
    "$ne": lambda value, argument: argument not in value if isinstance(value, list) else value != argument,
    "$lt": lambda value, argument: value is not MISSING and value < argument,
    "$lte": lambda value, argument: value is not MISSING and value <= argument,
    "$gt": lambda value, argument: value is not MISSING and value > argument,
    "$gte": lambda value, argument: value is not MISSING and value >= argument,
    "$exists": lambda value, argument: (value is not MISSING) is argument,
}


def run(pipeline: Sequence[Mapping[str, Any]], record: Mapping[str, Any], now: datetime) -> Document:
    """Return the record after an update by this pipeline."""
    after = deepcopy(dict(record))
    for stage in pipeline:
        for name, argument in stage.items():
            if name == "$set":
                fields = {field: evaluate(value, after, now) for field, value in argument.items()}
                after |= {field: value for field, value in fields.items() if value is not MISSING}
            elif name == "$unset":
                for field in argument:
                    after.pop(field, None)
            else:
                raise NotImplementedError(name)
    return after


def evaluate(expression: Any, record: Mapping[str, Any], now: datetime) -> Any:
    """Return what an aggregation expression makes of the record."""
    if isinstance(expression, str) and expression.startswith("$"):
        return now if expression == "$$NOW" else record.get(expression[1:], MISSING)
    if isinstance(expression, list):
        return [evaluate(part, record, now) for part in expression]
    if not isinstance(expression, dict):
        return expression
    if [key for key in expression if key.startswith("$")]:
        ((name, argument),) = expression.items()
        return argument if name == "$literal" else _OPERATORS[name](evaluate(argument, record, now))
    document = {field: evaluate(value, record, now) for field, value in expression.items()}
    return {field: value for field, value in document.items() if value is not MISSING}


def _add(parts: Sequence[Any]) -> Any:
    moments = [part for part in parts if isinstance(part, datetime)]
    total = sum(part for part in parts if not isinstance(part, datetime))
    return moments[0] + timedelta(milliseconds=total) if moments else total


def _difference(parts: Sequence[Any]) -> Any:
    first, second = parts
    if first is MISSING or second is MISSING:
        return None
    return (
        round((first - second) / timedelta(milliseconds=1)) if isinstance(first, datetime) else first - second
    )


def _product(parts: Sequence[Any]) -> Any:
    first, second = parts
    return first * second


def _there(parts: Sequence[Any]) -> list[Any]:
    return [part for part in parts if part is not MISSING and part is not None]


_OPERATORS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "$add": _add,
    "$subtract": _difference,
    "$multiply": _product,
    "$pow": lambda parts: parts[0] ** parts[1],
    "$min": lambda parts: min(_there(parts)),
    "$max": lambda parts: max(_there(parts)),
    "$ifNull": lambda parts: next(iter(_there(parts)), parts[-1]),
    "$cond": lambda parts: parts[1] if parts[0] else parts[2],
    "$eq": lambda parts: parts[0] == parts[1],
    "$in": lambda parts: parts[0] in parts[1],
    "$lte": lambda parts: parts[0] <= parts[1],
    "$concatArrays": lambda parts: [item for part in parts for item in part],
    "$slice": lambda parts: parts[0][parts[1] :],
}
