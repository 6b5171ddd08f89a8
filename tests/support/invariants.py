"""The promises, checked on what clients were told, what MongoDB holds, what stood on topics and what a page saw.

| invariant | how it is seen here |
|---|---|
| I1 no accepted job is lost | each id of a 2xx answer is final in MongoDB |
| I2 one final state, which stays | one final step in the oplog, none after it; job-events say the same |
| I3 versions rise by one, by legal moves | every step of the oplog against the lifecycle |
| I6 a page ends on the truth | newest view of an event reader, its frames never going back |
| I7 dead letters are exact and earned | one document for each message of `dead-letter`, only for jobs that must fail |
| I8 one key, one job | ids by Idempotency-Key, in answers and in MongoDB |
| I12 duplicates are counted | attempts, requests and results beyond one a job |
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from job_contracts.lifecycle import FINAL, JobState, is_legal
from job_contracts.messages import (
    JobChanged,
    JobFailed,
    JobRequested,
    JobSucceeded,
    read_dead_letter,
    read_event,
    read_requested,
    read_succeeded,
)
from job_contracts.topics import Topic
from tests.support.api import Post
from tests.support.events import Events
from tests.support.product import Product
from tests.support.records import Records, Step
from tests.support.topics import TopicProbe


@dataclass(slots=True)
class Findings:
    """What was counted, and what is wrong."""

    counted: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(what)

    def verdict(self) -> dict[str, Any]:
        """Return what was counted, unless something is wrong."""
        shown = "\n  ".join(self.wrong[:20])
        assert not self.wrong, f"{len(self.wrong)} broken promises:\n  {shown}\ncounted: {self.counted}"
        return self.counted


async def check(
    product: Product,
    history: Sequence[Post],
    *,
    records: Records,
    topics: TopicProbe,
    events: Events | None = None,
    must_fail: Collection[str] = (),
    must_cancel: Collection[str] = (),
) -> dict[str, Any]:
    """Compare everything; raise if a promise is broken, else return what was counted.

    Parameters
    ----------
    history
        Every POST and its answer.
    records, topics
        Begun before the first POST.
    events
        A reader of many jobs that lived through it all.
    must_fail, must_cancel
        Jobs that shall end so; all others shall succeed.
    """
    found = Findings()
    accepted = {post.job for post in history if post.job is not None}
    found.counted |= {"posts": len(history), "accepted": len(accepted)}
    _one_key_one_job(found, history)
    stored = await records.jobs(accepted)
    expected = {
        job: "failed" if job in must_fail else "cancelled" if job in must_cancel else "succeeded"
        for job in accepted
    }
    _all_ended_as_they_must(found, stored, expected)
    _steps_are_legal(found, await records.steps(accepted), stored)
    results = await records.results(accepted)
    for job, record in stored.items():
        if record["state"] == "succeeded":
            found.expect(record["version"] - 1 in results.get(job, []), f"{job} succeeded without a result")
    letters = await topics.dump(Topic.DEAD_LETTER)
    kept = await records.dead_letters()
    _letters_are_exact_and_earned(found, kept, letters, topics.since, accepted, set(must_fail))
    _events_tell_the_truth(found, await topics.dump(Topic.JOB_EVENTS), stored)
    if events is not None:
        _the_page_ends_on_the_truth(found, events, stored)
    found.counted |= {
        "finished": sum(r["state"] in FINAL for r in stored.values()),
        "extra attempts": sum(max(0, len(r.get("attempts", [])) - 1) for r in stored.values()),
        "stalled attempts": sum(
            a["outcome"] == "stalled" for r in stored.values() for a in r.get("attempts", [])
        ),
        "repeated requests": _repeated(
            [read_requested(r.value) for r in await topics.dump(Topic.JOBS)],
        ),
        "repeated results": _repeated(
            [read_succeeded(r.value) for r in await topics.dump(Topic.RESULTS)],
        ),
        "stray results": sum(len(v) - 1 for v in results.values() if v),
        "dead letters": len(letters),
    }
    return found.verdict()


def _one_key_one_job(found: Findings, history: Iterable[Post]) -> None:
    by_key: dict[str, set[str]] = defaultdict(set)
    for post in history:
        if post.key is not None and post.job is not None:
            by_key[post.key].add(post.job)
    for key, jobs in by_key.items():
        found.expect(len(jobs) == 1, f"key {key} made {len(jobs)} jobs")
    tries = Counter(post.key for post in history if post.key is not None)
    found.counted["repeated posts"] = sum(n - 1 for n in tries.values())
    found.counted["not accepted"] = dict(Counter(str(p.status) for p in history if p.job is None))


def _all_ended_as_they_must(
    found: Findings, stored: Mapping[str, Mapping[str, Any]], expected: Mapping[str, str]
) -> None:
    for job, state in expected.items():
        if job not in stored:
            found.wrong.append(f"{job} was accepted and is not there")
        elif (seen := stored[job]["state"]) != state:
            found.wrong.append(f"{job} is {seen}, not {state}: {stored[job].get('error')}")


def _steps_are_legal(
    found: Findings, steps: Mapping[str, Sequence[Step]], stored: Mapping[str, Mapping[str, Any]]
) -> None:
    for job, record in stored.items():
        path = steps.get(job, ())
        told = " → ".join(f"{s.state} v{s.version}" for s in path)
        found.expect(bool(path) and path[0].version == 1, f"{job} began oddly: {told}")
        for before, after in itertools.pairwise(path):
            found.expect(after.version == before.version + 1, f"{job} jumped: {told}")
            legal = is_legal(JobState(before.state), JobState(after.state))
            found.expect(legal, f"{job} made an illegal move: {told}")
        ended = [s for s in path if s.state in FINAL]
        found.expect(len(ended) == 1 and path[-1] is ended[0], f"{job} ended {len(ended)} times: {told}")
        found.expect(path[-1].version == record["version"] if path else False, f"{job}: the record differs")


def _letters_are_exact_and_earned(
    found: Findings,
    documents: Iterable[Mapping[str, Any]],
    letters: Sequence[ConsumerRecord],
    since: Mapping[TopicPartition, int],
    accepted: Collection[str],
    must_fail: set[str],
) -> None:
    kept = {}
    for document in documents:
        place = TopicPartition(document["origin"]["topic"], document["origin"]["partition"])
        if (offset := document["origin"]["offset"]) >= since[place]:
            kept[place, offset] = document
    for letter in letters:
        doc = kept.pop((TopicPartition(letter.topic, letter.partition), letter.offset), None)
        says = read_dead_letter(letter.value)
        if doc is None:
            found.wrong.append(f"the letter at {letter.partition}:{letter.offset} was not kept")
        elif isinstance(says, JobFailed):
            found.expect(bytes(doc["raw"]) == letter.value, f"the letter of {says.job_id} was changed")
            earned = says.job_id in must_fail or says.job_id not in accepted
            found.expect(earned, f"{says.job_id} has a letter it did not earn: {says.kind} {says.error}")
        else:
            found.wrong.append(f"a message was called unreadable: {says.source} {says.error}")
    found.expect(not kept, f"{len(kept)} dead letters without a message")


def _events_tell_the_truth(
    found: Findings, messages: Sequence[ConsumerRecord], stored: Mapping[str, Mapping[str, Any]]
) -> None:
    told: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for message in messages:
        event = read_event(message.value)
        if isinstance(event, JobChanged) and event.job_id in stored:
            view = _state_of(bytes(event.job))
            told[event.job_id][event.version].add(view)
    for job, record in stored.items():
        for version, states in told[job].items():
            found.expect(len(states) == 1, f"{job} v{version} was announced as {states}")
            found.expect(version <= record["version"], f"{job} v{version} was announced and never was")
        last = told[job].get(record["version"])
        found.expect(last == {record["state"]}, f"the end of {job} was announced as {last}")


def _state_of(view: bytes) -> str:
    return str(msgspec.json.decode(view)["state"])


def _the_page_ends_on_the_truth(
    found: Findings, events: Events, stored: Mapping[str, Mapping[str, Any]]
) -> None:
    for job, record in stored.items():
        seen = events.newest.get(job)
        shown = f"{seen['state']} v{seen['version']}" if seen else "nothing"
        right = seen is not None and (seen["state"], seen["version"]) == (record["state"], record["version"])
        found.expect(
            right, f"the page shows {shown} of {job}, which is {record['state']} v{record['version']}"
        )
    found.wrong += events.disorder()[:5]
    for job, states in events.finals().items():
        found.expect(len(states) == 1, f"the page saw {job} end as {states}")
    found.counted |= {"frames": len(events.frames), "reconnects": events.connections - 1}


def _repeated(messages: Sequence[JobRequested | JobSucceeded]) -> int:
    return sum(n - 1 for n in Counter((m.job_id, m.version) for m in messages).values())
