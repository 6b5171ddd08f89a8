"""All logs of a run as JSON lines: what is left for a person when a promise was broken."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.checking.evidence import Evidence

Line = dict[str, Any]


def lines(evidence: Evidence) -> Iterator[Line]:
    """One line for each thing that happened, by the log it stands in.

    A POST is an `invoke` and its outcome: `ok`, `fail` (it did not happen) or `info` (nobody
    knows: no answer, or 503 after it may have been stored).
    """
    for number, post in enumerate(evidence.posts):
        call = {"log": "client", "call": number, "key": post.key}
        yield {**call, "type": "invoke", "at": post.at}
        outcome = "ok" if post.job else "fail" if post.status not in {None, 503} else "info"
        yield {**call, "type": outcome, "at": post.at + post.seconds, "status": post.status, "job": post.job}
    for job, steps in evidence.steps.items():
        for step in steps:
            yield {"log": "mongo", "job": job, "version": step.version, "state": step.state}
    for job, record in evidence.stored.items():
        yield {"log": "record", "job": job, "record": record}
    for document in evidence.kept:
        yield {"log": "dead letter", "letter": document}
    for messages in (evidence.requested, evidence.succeeded, evidence.letters, evidence.events):
        for m in messages:
            value = m.value.decode(errors="replace") if m.value is not None else None
            where = {"topic": m.topic, "partition": m.partition, "offset": m.offset, "at": m.timestamp / 1000}
            yield {"log": "topic", **where, "value": value}
    for number, page in enumerate(evidence.pages):
        for frame in page.frames:
            where = {"page": number, "connection": frame.connection, "at": frame.at}
            yield {"log": "page", **where, "event": frame.event, "data": frame.data}
    for request in evidence.upstream:
        yield {"log": "upstream", "at": request.at, "target": request.target}


def dump(evidence: Evidence, file: Path) -> Path:
    """Write everything to a file."""
    with file.open("w") as out:
        out.writelines(json.dumps(line, default=str) + "\n" for line in lines(evidence))
    return file
