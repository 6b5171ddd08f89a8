"""The table of rights: what each service needs, and nothing beyond it."""

import hashlib
import struct

from job_contracts.record import Collection
from job_contracts.topics import Group, Topic
from jobstream_setup.kafka_users import _AlterScram, _AlterScramRequest, acls
from jobstream_setup.rights import RIGHTS, Service, privileges

_WRITES = {"insert", "update", "remove"}


def test_nobody_but_the_job_worker_can_claim_that_a_job_has_ended() -> None:
    assert [s for s, r in RIGHTS.items() if Topic.RESULTS in r.writes] == [Service.JOB_WORKER]


def test_the_dlq_worker_cannot_feed_itself() -> None:
    assert RIGHTS[Service.DLQ_WORKER].writes == (Topic.JOB_EVENTS,)


def test_every_group_is_joined_by_the_one_service_of_its_name() -> None:
    assert {group: [s for s, r in RIGHTS.items() if group in r.joins] for group in Group} == {
        group: [Service(str(group))] for group in Group
    }


def test_every_collection_has_somebody_who_may_write_to_it() -> None:
    written = {
        name for r in RIGHTS.values() for name, actions in r.collections.items() if _WRITES & {*actions}
    }
    assert written == set(Collection)


def test_results_and_letters_are_stored_by_their_workers_alone() -> None:
    for collection, service in (
        (Collection.RESULTS, Service.RESULT_WORKER),
        (Collection.DEAD_LETTERS, Service.DLQ_WORKER),
    ):
        may = [s for s, r in RIGHTS.items() if "insert" in r.collections.get(collection, ())]
        assert may == [service]


def test_no_service_may_administer_anything() -> None:
    for rights in RIGHTS.values():
        for actions in privileges(rights).values():
            assert {*actions} <= {"find", *_WRITES, "createCollection", "createIndex", "listIndexes"}


def test_rights_become_allowances_for_literal_names() -> None:
    entries = list(acls("dlq-worker", RIGHTS[Service.DLQ_WORKER]))
    assert entries == [
        (2, "dead-letter", 3, "User:dlq-worker", "*", 3, 3),
        (2, "job-events", 3, "User:dlq-worker", "*", 4, 3),
        (3, "dlq-worker", 3, "User:dlq-worker", "*", 3, 3),
    ]


def test_a_password_travels_salted_and_stretched() -> None:
    request = _AlterScram({"api": "canary"}).build(_AlterScramRequest)
    name, mechanism, iterations, salt, salted, _ = request.upsertions[0]
    assert (name, mechanism) == ("api", 2)
    assert iterations >= 4096
    assert salted == hashlib.pbkdf2_hmac("sha512", b"canary", salt, iterations)
    wire = request.encode()
    assert b"canary" not in wire
    assert struct.pack(">i", iterations) in wire
