"""I7: for each message of `dead-letter` one document with the same bytes, and no letter that was not earned."""

from collections import Counter

from aiokafka import ConsumerRecord, TopicPartition

from job_contracts.messages import JobFailed, MessageRejected, UnreadableError, read_dead_letter
from job_contracts.topics import Topic
from tests.support.checking.evidence import Evidence, Findings, Place, place_of
from tests.support.records import Document


def check_letters(evidence: Evidence, found: Findings) -> None:
    """Compare what stood on the topic with what is kept."""
    kept = _kept_since(evidence, found)
    missing_poison = set(evidence.poison)
    for message in evidence.letters:
        place = place_of(message)
        document = kept.pop(place, None)
        if document is None:
            found.wrong.append(f"I7: the letter at {place[1]}:{place[2]} was not kept")
            continue
        says = _read(message)
        if isinstance(says, JobFailed):
            found.expect(
                bytes(document["raw"]) == message.value, f"I7: the letter of {says.job_id} was changed"
            )
            mine = says.job_id in evidence.stored
            earned = not mine or says.job_id not in evidence.accepted
            earned = earned or evidence.ends.may_have_a_letter(says.job_id)
            found.expect(
                earned, f"I7: {says.job_id} has a letter it did not earn: {says.kind} {says.error.message}"
            )
        else:
            source = place if says is None else (says.source.topic, says.source.partition, says.source.offset)
            put = evidence.poison.get(source)
            missing_poison.discard(source)
            if put is None:
                why = document.get("error")
                found.wrong.append(f"I7: a message at {source} was called unreadable: {why}")
            else:
                found.expect(bytes(document["raw"]) == put, f"I7: the poison at {source} was changed")
    found.expect(not kept, f"I7: {len(kept)} dead letters without a message: {sorted(kept)[:3]}")
    found.expect(not missing_poison, f"I7: poison was not kept: {sorted(missing_poison)[:3]}")
    _failure_has_its_letter(evidence, found)
    found.counted["dead letters"] = len(evidence.letters)


def _read(message: ConsumerRecord) -> JobFailed | MessageRejected | None:
    """None if it is noise."""
    try:
        return read_dead_letter(message.value)
    except UnreadableError:
        return None


def _kept_since(evidence: Evidence, found: Findings) -> dict[Place, Document]:
    kept: dict[Place, Document] = {}
    for document in evidence.kept:
        origin = document["origin"]
        place = origin["topic"], origin["partition"], origin["offset"]
        if place[0] == Topic.DEAD_LETTER and place[2] < evidence.since.get(TopicPartition(*place[:2]), 0):
            continue
        found.expect(place not in kept, f"I7: the letter at {place[1]}:{place[2]} was kept twice")
        kept[place] = document
    return kept


def _failure_has_its_letter(evidence: Evidence, found: Findings) -> None:
    of_jobs = Counter(document.get("job") for document in evidence.kept)
    for job, record in evidence.stored.items():
        failures = sum(step.state == "failed" for step in evidence.finals(job))
        if record["state"] == "failed" or failures:
            found.expect(of_jobs[job] >= max(1, failures), f"I7: {job} failed without a letter")
