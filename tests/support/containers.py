"""Kafka and MongoDB from official images, for `TEST_SERVERS=containers`.

Each listens inside its container on the very port it has outside: what it tells clients about itself is then true for
both.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pymongo

from jobstream_local.ports import LOOPBACK, free_port

# Its image is a third one to be had, and these containers are stopped by the run itself. Read when it is imported.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

KAFKA: Final = "apache/kafka:4.3.1"
MONGO: Final = "mongo:8"
_PATIENCE: Final = 120


@contextmanager
def kafka() -> Iterator[str]:
    """Give the address of one broker; testcontainers' own class knows another distribution only."""
    port, controller = free_port(), 9093
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@localhost:{controller}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:{controller}",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_HEAP_OPTS": "-Xms256m -Xmx256m",
    }
    container = DockerContainer(KAFKA).with_bind_ports(port, port)
    for name, value in settings.items():
        container = container.with_env(name, value)
    ready = LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(_PATIENCE)
    with container.waiting_for(ready):
        yield f"{LOOPBACK}:{port}"


@contextmanager
def mongo() -> Iterator[str]:
    """Give the URI of a replica set of one; testcontainers' own class knows no sets."""
    port = free_port()
    container = DockerContainer(MONGO).with_bind_ports(port, port)
    container = container.with_command(f"mongod --replSet rs0 --bind_ip_all --port {port}")
    ready = LogMessageWaitStrategy("Waiting for connections").with_startup_timeout(_PATIENCE)
    client: pymongo.MongoClient[dict[str, object]]
    with container.waiting_for(ready):
        member = {"_id": 0, "host": f"{LOOPBACK}:{port}"}
        with pymongo.MongoClient(LOOPBACK, port, directConnection=True) as client:
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        uri = f"mongodb://{LOOPBACK}:{port}/?replicaSet=rs0"
        with pymongo.MongoClient(uri, serverSelectionTimeoutMS=_PATIENCE * 1000) as client:
            client.admin.command("ping")
        yield uri
