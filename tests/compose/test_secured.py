"""The secured form: no credential, no access; each service's credential opens what it needs and nothing else."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.compose.containers import ROOT, Containers
from tests.support.waiting import until

_ADDRESSES = "from service_chassis.settings import ServiceSettings; s = ServiceSettings()\n"

_WRITE = (
    _ADDRESSES
    + """
import asyncio
from aiokafka import AIOKafkaProducer
from service_chassis.kafka import access
async def main():
    for topic in ("jobs", "results", "dead-letter", "job-events"):
        producer = AIOKafkaProducer(**access(s.kafka))
        await producer.start()
        try:
            await asyncio.wait_for(producer.send_and_wait(topic, b"noise", key=b"test"), 10)
            print(topic, "ok")
        except Exception as error:
            print(topic, type(error).__name__)
        finally:
            await producer.stop()
asyncio.run(main())
"""
)

_INTRUDE = """
import asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.errors import PyMongoError
async def main():
    producer = AIOKafkaProducer(bootstrap_servers="kafka:9092", request_timeout_ms=4000)
    try:
        await asyncio.wait_for(producer.start(), 8)
        print("kafka is open")
    except (KafkaError, TimeoutError):
        print("kafka is shut")
    finally:
        await producer.stop()
asyncio.run(main())
for options in ("", "&tls=true&tlsCAFile=/run/secrets/ca.crt"):
    client = MongoClient("mongodb://mongo:27017/?replicaSet=rs0" + options, serverSelectionTimeoutMS=3000)
    try:
        client.jobstream.jobs.find_one()
        print("mongo is open")
    except PyMongoError:
        print("mongo is shut")
"""

_OVERREACH = (
    _ADDRESSES
    + """
from pymongo import MongoClient
from pymongo.errors import OperationFailure
db = MongoClient(s.mongo.uri.get_secret_value()).jobstream
for name, call in {
    "forge a result": lambda: db.results.insert_one({"_id": "forged"}),
    "drop the jobs": lambda: db.jobs.drop(),
    "take the lead": lambda: db.leases.insert_one({"_id": "dispatcher:0"}),
    "make a user": lambda: db.command("createUser", "intruder", pwd="x", roles=[]),
}.items():
    try:
        call()
        print(name, "done")
    except OperationFailure as error:
        print(name, error.code)
"""
)


@pytest.fixture(scope="module")
def secured(built: None) -> Iterator[Containers]:
    """A stack of its own, with users and TLS."""
    subprocess.run([sys.executable, "deploy/make_secrets.py"], cwd=ROOT, check=True)
    containers = Containers(
        "jobstream-secured", subnet="10.213.75.0/24", overlays=["deploy/compose/secured.yml"]
    )
    try:
        asyncio.run(containers.up())
        yield containers
    finally:
        asyncio.run(containers.down())


async def test_jobs_succeed_fail_and_are_started_anew_with_rights_as_narrow_as_they_are(
    secured: Containers,
) -> None:
    async with secured.api(timeout=20) as api:
        async with secured.events("/events") as events:
            good = await api.submit("image.search", {"query": "sea", "count": 1})
            batch = await api.call(
                "POST", "/jobs/batch", json={"jobs": [{"task": "noop", "payload": {}}] * 3}
            )
            assert batch.status_code == 202, batch.text
            bad = await api.submit("sleep", {"seconds": 0.05, "fail": "reject"})
            later = await api.submit(delay=600)
            assert (await api.finish(good, within=40))["state"] == "succeeded"
            assert (await api.finish(bad))["state"] == "failed"
            await events.seen(bad, "failed")
        for job in batch.json()["jobs"]:
            await api.finish(job["id"])
        assert (await api.cancel(later)).status_code == 200
        assert (await api.redrive(bad)).status_code == 202
        await api.finish(bad)
        await api.pause("noop")
        await api.resume("noop")
        assert (await api.call("DELETE", f"/jobs/{good}")).status_code == 204

        async def look() -> bool:
            assert (await api.get("/stats")).json()["lag"] is not None
            return True

        await until(look, within=20, what="the api to see how far the groups are", every=1)
    told = await secured.logs("api", "job-worker", "result-worker", "dlq-worker")
    assert "not authorized" not in told
    assert "AuthorizationFailed" not in told


@pytest.mark.parametrize(
    ("service", "topics"),
    [
        ("api", {"jobs", "job-events"}),
        ("result-worker", {"dead-letter", "job-events"}),
        ("dlq-worker", {"job-events"}),
    ],
)
async def test_a_credential_writes_to_its_own_topics_alone(
    secured: Containers, service: str, topics: set[str]
) -> None:
    told = dict(
        line.split()
        for line in (await secured.python(service, _WRITE)).splitlines()
        if len(line.split()) == 2
    )
    assert {topic for topic, how in told.items() if how == "ok"} == topics
    assert {how for topic, how in told.items() if topic not in topics} == {"TopicAuthorizationFailedError"}


async def test_without_a_credential_nothing_opens(secured: Containers) -> None:
    told = await secured.python("api", _INTRUDE)
    assert "open" not in told
    assert told.count("is shut") == 3


async def test_a_credential_of_the_api_cannot_overreach_in_mongodb(secured: Containers) -> None:
    told = await secured.python("api", _OVERREACH)
    assert told.split("\n")[:4] == [
        "forge a result 13",
        "drop the jobs 13",
        "take the lead 13",
        "make a user 13",
    ]


async def test_starting_again_makes_the_same_users_again(secured: Containers) -> None:
    await secured.up("--force-recreate", "setup", "api")
    async with secured.api(timeout=20) as api:
        assert (await api.finish(await api.submit_surely()))["state"] == "succeeded"
