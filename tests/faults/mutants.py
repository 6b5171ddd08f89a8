"""`python -m tests.faults.mutants`: take one safety away at a time, and see whether the fault rows notice.

Each mutant is a line of the product's source and what stands there instead. The tree is
copied, the line changed, and the rows that must notice are played in their short form
against services that run the copy; where no process need die to show it, a test of another
folder must notice. A row that fails to start proves nothing: only an
assertion of the row, or a broken promise, counts. Words on the command line choose mutants.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
_ASSERTED: Final = ("AssertionError", "assert ", "Failed: DID NOT RAISE")
"""How pytest's report of an assertion begins, with a message of its own and without one."""

PATIENCE: Final = 600
"""Seconds for the rows of one mutant."""


class Mutant(NamedTuple):
    """One safety taken away."""

    what: str
    file: str
    old: str
    new: str
    rows: tuple[str, ...]
    """Tests that must notice, as pytest names them: rows below tests/faults, or others below tests."""


def path_of(row: str) -> str:
    """Return where a row or test is.

    >>> path_of("test_quota.py::test_a"), path_of("unit/api/test_b.py::test_c")
    ('tests/faults/test_quota.py::test_a', 'tests/unit/api/test_b.py::test_c')
    """
    return f"tests/{row}" if "/" in row.partition("::")[0] else f"tests/faults/{row}"


_API: Final = "services/api/src/api"
_JW: Final = "services/job-worker/src/job_worker"
_JC: Final = "shared/job-contracts/src/job_contracts"
_SC: Final = "shared/service-chassis/src/service_chassis"
_POINTS: Final = "test_crash_points.py::test_a_crash_between_two_steps_loses_and_doubles_nothing"
_LATE: Final = "test_lost_workers.py::test_the_late_result_of_a_worker_frozen_past_its_lease_changes_nothing"
_CHANCE: Final = (
    "test_subscribing.py::test_by_chance_a_reader_cut_again_and_again_knows_the_truth_or_is_told_to_read_it"
)
_TOLD: Final = "test_lost_workers.py::test_a_worker_told_to_end_gives_its_jobs_back_and_burns_no_attempt"

MUTANTS: Final = (
    Mutant(
        "the outbox is off: an overdue pending job is not published again",
        f"{_JW}/due.py",
        "await self._do({self._releasing.republish: jobs})",
        "await self._do({self._releasing.republish: []})",
        (f"{_POINTS}[api after_insert]",),
    ),
    Mutant(
        "a move does not ask for the version",
        f"{_JC}/record.py",
        'return {"_id": which, "version": version, "state":',
        'return {"_id": which, "state":',
        (_LATE,),
    ),
    Mutant(
        "offsets are committed before the work is done",
        f"{_SC}/subscription.py",
        "            await self._batches.handle(handler, records)\n        finally:",
        "            self._offsets |= {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}\n"
        "            await self._commit()\n"
        "            await self._batches.handle(handler, records)\n        finally:",
        (f"{_POINTS}[result-worker after_keep]",),
    ),
    Mutant(
        "leases are ignored: every worker counts as dead",
        f"{_JW}/store.py",
        'return set(named) - {doc["_id"] for doc in alive}',
        "return set(named)",
        (_TOLD,),
    ),
    Mutant(
        "the jobs of dead workers are left to their time-out",
        f"{_JW}/main.py",
        '            "dead_workers": reaping.reap_dead_workers,\n',
        "",
        ("test_lost_workers.py::test_jobs_of_a_crashed_worker_run_again_on_another[another worker]",),
    ),
    Mutant(
        "the dead are judged before their outcomes are applied",
        f"{_JW}/barriers.py",
        "self.passed = not any(ends.values())",
        "self.passed = True",
        ("test_judging.py::test_finished_work_is_not_run_again_though_its_results_wait",),
    ),
    Mutant(
        "leases are judged at once after an outage of MongoDB",
        f"{_JW}/reaping.py",
        "return self._last - self._since >= lease",
        "return True",
        ("test_outages.py::test_a_worker_that_is_back_later_than_mongodb_keeps_its_attempts",),
    ),
    Mutant(
        "the letter of a stalled job goes out without a take-over",
        f"{_JW}/reaping.py",
        "        elif await self._store.apply(\n"
        '            [take_over(job_id, version, worker=job.get("worker"), wake_at=job["wake_at"])]\n'
        "        ):",
        "        else:",
        ("test_judging.py::test_the_letter_of_a_stalled_job_goes_out_once_though_nobody_reads_it",),
    ),
    Mutant(
        "a job that shall be cancelled may be tried again",
        f"{_JC}/record.py",
        'guard = _guard(move, [job_id], version) | {"cancel_requested": {"$ne": True}}',
        "guard = _guard(move, [job_id], version)",
        ("test_judging.py::test_a_cancel_that_comes_as_the_attempt_ends_is_not_forgotten",),
    ),
    Mutant(
        "an outcome that Kafka does not take is dropped",
        f"{_JW}/outcomes.py",
        "                failures += 1\n",
        "                return None\n",
        ("test_outages.py::test_posts_do_not_wait_for_a_dead_kafka_and_all_finish_once_it_is_back",),
    ),
    Mutant(
        "a worker that is told to end keeps what it runs",
        f"{_JW}/execution.py",
        "        self.drop(lambda _: True)\n",
        "",
        (_TOLD,),
    ),
    Mutant(
        "the key of a result does not name the version",
        "services/result-worker/src/result_worker/store.py",
        '"_id": {"job": outcome.job_id, "version": outcome.version},',
        '"_id": {"job": outcome.job_id, "version": 0},',
        (_LATE,),
    ),
    Mutant(
        "the id of a letter does not say when Kafka took it",
        "services/dlq-worker/src/dlq_worker/parking.py",
        "{at.offset}.{at.timestamp}",
        "{at.offset}",
        (
            "test_letter_topic.py"
            "::test_letters_on_a_topic_that_was_made_anew_do_not_take_the_place_of_older_ones",
        ),
    ),
    Mutant(
        "idempotency keys are not unique",
        f"{_JC}/indexes.py",
        '{"unique": True, "partialFilterExpression": {"idempotency.key": _EXISTS}},',
        '{"partialFilterExpression": {"idempotency.key": _EXISTS}},',
        ("test_killed_services.py::test_a_key_that_is_repeated_across_a_kill_of_the_api_makes_one_job",),
    ),
    Mutant(
        "a write is acknowledged without a majority",
        f"{_SC}/mongo.py",
        'write_concern=WriteConcern(w="majority", j=True),',
        "write_concern=WriteConcern(w=1),",
        ("test_mongo_cluster.py::test_a_primary_cut_off_from_its_majority_acknowledges_nothing",),
    ),
    Mutant(
        "a claim whose answer was lost is taken for none",
        f"{_JW}/claiming.py",
        "ours = await self._moving.until_answered(self._store.claimed_ids, ids, token)",
        "ours = set()",
        ("test_mongo_cluster.py::test_a_claim_whose_answer_is_lost_has_got_its_jobs",),
    ),
    Mutant(
        "a stream replays although its replica has not read as far as the one before",
        f"{_API}/following.py",
        "await self._ring.reach(cursor, _CATCH_UP)",
        "await self._ring.reach(cursor, 0 * _CATCH_UP)",
        (_CHANCE,),
    ),
    Mutant(
        "a cursor names a place beyond the events that were sent",
        f"{_API}/ring.py",
        "            self._text = str(Cursor(self._cluster, {n: p.next for n, p in self._partitions.items()}))",
        "            self._text = str(Cursor(self._cluster, {n: p.next + 1 for n, p in self._partitions.items()}))",
        (_CHANCE,),
    ),
    Mutant(
        "a reader that was given more partitions goes on wherever Kafka's client puts it",
        f"{_SC}/positions.py",
        "return self._assignment is not None and self._assignment is _assignment(consumer)",
        "return self._assignment is not None",
        ("test_bus_of_streams.py::test_when_job_events_grows_every_stream_is_told_to_read_anew",),
    ),
    # --- walls: groups, broken tasks, hosts
    Mutant(
        "a bad item fails the half of its group that it stands in",
        f"{_SC}/isolation.py",
        "if len(part) == 1:",
        "if len(part) <= 2:",
        ("unit/service_chassis/test_grouping.py::test_a_bad_item_has_the_error_and_its_group_its_answers",),
    ),
    Mutant(
        "a log that is appended again stands there twice",
        f"{_JC}/keeping.py",
        '    guard["logs"] = {"$ne": dict(lines[-1])}\n',
        "",
        ("contract/test_moves.py::test_the_log_of_a_job_keeps_its_last_lines",),
    ),
    Mutant(
        "a message that has no room in a batch is left out without a word",
        f"{_SC}/publisher.py",
        "headers=headers) is None:",
        "headers=headers) is False:",
        (
            "unit/service_chassis/test_publisher.py"
            "::test_a_message_that_has_no_room_in_a_batch_is_refused_and_not_left_out",
        ),
    ),
    Mutant(
        "the URI of MongoDB says where a move is read",
        f"{_SC}/mongo.py",
        "                read_preference=ReadPreference.PRIMARY,\n            )\n        return",
        "            )\n        return",
        ("unit/service_chassis/test_mongo.py::test_no_option_of_the_uri_weakens_what_is_read_and_written",),
    ),
    Mutant(
        "a claim under way at the end is left in doubt",
        f"{_JW}/claiming.py",
        "await asyncio.shield(claim)",
        "await claim",
        (
            "unit/job_worker/test_claiming.py"
            "::test_a_claim_that_is_under_way_at_the_end_is_learned_and_started_to_be_given_back",
        ),
    ),
    Mutant(
        "the impatience of one job has a host left alone for all",
        f"{_JW}/tasks/http_request/hosts.py",
        "and until - began < PATIENT:",
        "and until < began:",
        ("unit/http_request/test_hosts.py::test_neither_refusals_nor_impatience_open_the_breaker_of_a_host",),
    ),
    # --- calls to others, and pictures
    Mutant(
        "of the addresses of a name only the first is judged",
        f"{_JW}/outbound/transport.py",
        "        for address in addresses:\n            self._policy.judge",
        "        for address in addresses[:1]:\n            self._policy.judge",
        ("unit/outbound/test_transport.py::test_one_forbidden_address_among_several_is_enough_to_refuse",),
    ),
    Mutant(
        "a secret is sent wherever a job says",
        f"{_JW}/tasks/http_request/secrets.py",
        "        if not secret.may_go_to(target):",
        "        if False:",
        ("integration/http_request/test_calls.py::test_a_secret_goes_only_where_it_is_bound",),
    ),
    Mutant(
        "a token behind Bearer is not taken out of answers",
        f"{_JW}/tasks/http_request/secrets.py",
        '    yield value\n    scheme, _, token = value.rpartition(" ")\n    yield token\n',
        '    yield value\n    scheme, _, token = value.rpartition(" ")\n',
        ("unit/http_request/test_secrets.py::test_a_token_is_found_however_it_is_written",),
    ),
    Mutant(
        "a picture is fetched from wherever a provider's answer says",
        f"{_JW}/tasks/image_search/downloads.py",
        "        if target.origin not in self._origins:",
        "        if False:",
        ("unit/image_search/test_downloads.py::test_what_is_not_the_provider_s_own_is_not_called",),
    ),
    Mutant(
        "the process that decodes a picture may open what it likes",
        f"{_JW}/tasks/image_search/darkroom.py",
        "        (resource.RLIMIT_NOFILE, 0),",
        "        (resource.RLIMIT_NOFILE, 64),",
        ("unit/image_search/test_developing.py::test_its_process_has_no_network_no_files_and_little_memory",),
    ),
    Mutant(
        "the process that decodes a picture has our environment",
        f"{_JW}/tasks/image_search/developing.py",
        "        env={},",
        "        env=None,",
        ("unit/image_search/test_developing.py::test_its_process_knows_none_of_our_secrets",),
    ),
    Mutant(
        "a picture of any size is decoded",
        f"{_JW}/tasks/image_search/darkroom.py",
        "_PIXELS: Final = 40_000_000",
        "_PIXELS: Final = 40_000_000_000",
        (
            "unit/image_search/test_developing.py::test_what_is_no_picture_or_one_that_harms_is_refused_and_says_why",
        ),
    ),
    Mutant(
        "an upstream that is down is probed by everybody at once",
        f"{_JW}/upstream/circuit.py",
        "            return self, _PROBED_SOON\n",
        "            return self, None\n",
        ("unit/upstream/test_circuit.py::test_one_probe_at_a_time_and_its_success_closes_it",),
    ),
    Mutant(
        "a question is claimed while another job asks it",
        f"{_JW}/upstream/stores.py",
        '            "claim": {"$cond": [{"$and": [{"$not": [is_fresh]}, free]}, mine, "$claim"]},',
        '            "claim": mine,',
        ("integration/image_search/test_guarded.py::test_five_hundred_equal_searches_are_one_call",),
    ),
    Mutant(
        "a picture that is asked for anew may still go",
        f"{_JW}/tasks/image_search/gallery.py",
        "        await self._images.update_many(query, self._keep_on())\n",
        "",
        (
            "integration/image_search/test_gallery.py::test_a_search_that_stores_what_is_just_deleted_never_loses_it",
        ),
    ),
    # --- streams
    Mutant(
        "a reader of one job is believed about what it has",
        f"{_API}/following.py",
        "if (had := sse.moment_of(sse.last_event_id(scope))) <= snapshot.moment:",
        "if (had := sse.moment_of(sse.last_event_id(scope))) is not None:",
        ("integration/api/test_streams.py::test_whatever_a_reader_claims_to_have_it_gets_the_end",),
    ),
    Mutant(
        "a letter of expiry fails a job that has not expired",
        f"{_JC}/record.py",
        '_guard("fail_expired", ids, version) | expired()',
        '_guard("fail_expired", ids, version)',
        ("contract/test_moves.py::test_a_job_that_waits_fails_only_by_an_expiry_whose_time_has_come",),
    ),
    Mutant(
        "a lying batch is believed where it says that it ends",
        f"{_SC}/reading.py",
        "            end = int(following)",
        "            pass",
        (
            "unit/service_chassis/test_reading.py::test_what_stands_behind_a_broken_batch_is_read_and_the_batch_is_passed",
        ),
    ),
    Mutant(
        "outages are blamed on records",
        f"{_SC}/batch_handler.py",
        "unexplained += not is_outage(error)\n                self._retried",
        "unexplained += 1\n                self._retried",
        (
            "unit/service_chassis/test_batch_handler.py::test_an_outage_blames_no_record_however_long_it_lasts",
        ),
    ),
)


class Verdict(NamedTuple):
    """What came of a mutant."""

    mutant: Mutant
    seconds: float
    row: str
    """The row that noticed, or nothing."""
    complaint: str


def main(words: Sequence[str]) -> int:
    """Play the mutants whose names have all the words; return how many nobody noticed."""
    chosen = [m for m in MUTANTS if all(word in m.what for word in words)]
    verdicts = []
    for mutant in chosen:
        verdicts.append(verdict := play(mutant))
        _show(verdict)
    missed = [v for v in verdicts if not v.row]
    print(f"\n{len(verdicts) - len(missed)} of {len(verdicts)} mutants were noticed")
    return len(missed)


def play(mutant: Mutant) -> Verdict:
    """Run the rows of a mutant against a mutated copy of the tree."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "tree"
        _copy(copy)
        apply(mutant, copy)
        rows = [path_of(row) for row in mutant.rows]
        report = Path(folder) / "report.xml"
        sources = [
            str(path) for kind in ("shared", "services") for path in sorted(copy.glob(f"{kind}/*/src"))
        ]
        outcome = subprocess.run(
            [sys.executable, "-m", "pytest", *rows, "--form=short", "-x", "-q", f"--junitxml={report}"],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sources), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        row, complaint = noticed(report) if report.exists() else ("", outcome.stdout[-300:])
    return Verdict(mutant, time.monotonic() - began, row, complaint)


def apply(mutant: Mutant, tree: Path) -> None:
    """Change the line.

    Raises
    ------
    ValueError
        It is not there, or not once.
    """
    file = tree / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.file} has {text.count(mutant.old)} times: {mutant.old}")
    file.write_text(text.replace(mutant.old, mutant.new))


def noticed(report: Path) -> tuple[str, str]:
    """Return the row that failed by an assertion of its own and what it said, else what went wrong."""
    complaint = "every row passed"
    for case in ET.parse(report).iter("testcase"):
        for ending in case:
            said = (ending.get("message") or "").split("\n")
            if ending.tag == "failure" and said[0].startswith(_ASSERTED):
                return case.get("name") or "-", " ".join(line.strip() for line in said[:3])
            if ending.tag in {"failure", "error"}:
                complaint = f"not an assertion: {said[0]}"
    return "", complaint


def _copy(to: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if not name.startswith(("frontend/", "clients/js/")) and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)


def _show(verdict: Verdict) -> None:
    state = "noticed" if verdict.row else "MISSED "
    print(f"{state} {verdict.seconds:5.0f} s  {verdict.mutant.what}", flush=True)
    print(f"        {verdict.row}: {verdict.complaint[:300]}", flush=True)


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
