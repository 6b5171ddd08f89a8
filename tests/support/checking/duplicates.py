"""I12: duplicates are counted, not hidden."""

from collections import Counter
from collections.abc import Callable, Sequence

from aiokafka import ConsumerRecord

from job_contracts.messages import (
    JobFailed,
    JobRequested,
    JobSucceeded,
    UnreadableError,
    read_dead_letter,
    read_requested,
    read_succeeded,
)
from tests.support.checking.evidence import Evidence, Findings

Read = Callable[[bytes | None], object]


def count_duplicates(evidence: Evidence, found: Findings) -> None:
    """Count what came or ran more than once."""
    attempts = [record.get("attempts", []) for record in evidence.stored.values()]
    repeated = {
        "repeated requests": _repeated(evidence.requested, read_requested),
        "repeated results": _repeated(evidence.succeeded, read_succeeded),
        "repeated letters": _repeated(evidence.letters, read_dead_letter),
    }
    found.counted |= {
        "extra attempts": sum(max(0, len(some) - 1) for some in attempts),
        "stalled attempts": sum(a["outcome"] == "stalled" for some in attempts for a in some),
        **repeated,
        "stray results": sum(len(v) - 1 for v in evidence.results.values() if v),
        "duplicates": sum(repeated.values()),
    }


def _repeated(messages: Sequence[ConsumerRecord], read: Read) -> int:
    seen: Counter[tuple[str, int]] = Counter()
    for message in messages:
        try:
            says = read(message.value)
        except UnreadableError:
            continue
        if isinstance(says, JobRequested | JobSucceeded | JobFailed):
            seen[says.job_id, says.version] += 1
    return sum(n - 1 for n in seen.values())
