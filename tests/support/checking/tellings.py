"""I6, I9: what was announced and shown is true, in order, ends on the truth, and is told to its owner alone."""

from collections import defaultdict

import msgspec

from job_contracts.messages import JobChanged, UnreadableError, read_event
from tests.support.checking.evidence import Evidence, Findings
from tests.support.events import Events


def check_events(evidence: Evidence, found: Findings) -> None:
    """Compare the topic `job-events` with what happened."""
    told: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    noise = 0
    for message in evidence.events:
        try:
            event = read_event(message.value)
        except UnreadableError:
            noise += 1
            continue
        if event.job_id not in evidence.stored:
            continue
        owner = evidence.stored[event.job_id]["owner"]
        found.expect(
            event.owner == owner, f"I9: an event of {event.job_id} is for {event.owner}, not {owner}"
        )
        if isinstance(event, JobChanged):
            told[event.job_id][event.version].add(str(msgspec.json.decode(event.job)["state"]))
    for job, record in evidence.stored.items():
        truth = {step.version: step.state for step in evidence.steps.get(job, ())}
        for version, states in sorted(told[job].items()):
            found.expect(len(states) == 1, f"I6: {job} v{version} was announced as {sorted(states)}")
            was = truth.get(version)
            found.expect(
                was in states, f"I6: {job} v{version} was announced as {sorted(states)} and was {was}"
            )
        last = told[job].get(record["version"])
        found.expect(last == {record["state"]}, f"I6: the end of {job} was announced as {last}")
    if noise:
        found.counted["noise among events"] = noise


def check_page(evidence: Evidence, found: Findings, page: Events) -> None:
    """Compare what one client of the streams saw with what is so."""
    for job, record in evidence.stored.items():
        if job not in evidence.accepted:
            continue
        seen = page.newest.get(job)
        shown = f"{seen['state']} v{seen['version']}" if seen else "nothing"
        right = seen is not None and (seen["state"], seen["version"]) == (record["state"], record["version"])
        is_now = f"{record['state']} v{record['version']}"
        found.expect(right, f"I6: the page shows {shown} of {job}, which is {is_now}")
    found.wrong += [f"I6: the page went back: {what}" for what in page.disorder()[:5]]
    for job, states in page.finals().items():
        once = len(states) == 1 or job in evidence.ends.redriven
        found.expect(once, f"I6: the page saw {job} end as {sorted(states)}")
    for frame in page.frames:
        view = frame.data if isinstance(frame.data, dict) else {}
        shown_to, of = view.get("owner"), evidence.stored.get(view.get("id", ""))
        if of is not None and shown_to is not None:
            found.expect(
                shown_to == of["owner"], f"I9: the page of {of['owner']} was shown one of {shown_to}"
            )
    found.counted["frames"] = found.counted.get("frames", 0) + len(page.frames)
    found.counted["reconnects"] = found.counted.get("reconnects", 0) + max(0, page.connections - 1)
