"""Wires the dlq worker; nothing connects until it runs."""

import time
from typing import Final

from dlq_worker.handlers import register_handlers
from dlq_worker.parking import Parking
from dlq_worker.publisher import KafkaPublisher
from dlq_worker.settings import Settings
from dlq_worker.store import MongoLetterStore
from job_contracts.indexes import INDEXES
from job_contracts.topics import Group, Topic
from service_chassis.health import Health
from service_chassis.metrics import Metrics
from service_chassis.mongo import Mongo
from service_chassis.offsets import KafkaOffsets
from service_chassis.publisher import Publisher
from service_chassis.server import Grace, Service, ops_server
from service_chassis.subscription import Subscription
from service_chassis.watchdog import Watchdog

NAME: Final = "dlq-worker"


def create_app(settings: Settings) -> Service:
    """Assemble the dlq worker."""
    metrics = Metrics()
    mongo = Mongo(settings.mongo, indexes=INDEXES)
    publisher = Publisher(settings.kafka, client_id=NAME, metrics=metrics)
    offsets = KafkaOffsets(settings.kafka, client_id=NAME)
    dead_letters = Subscription(
        settings.kafka, topic=Topic.DEAD_LETTER, group=Group.DLQ_WORKER, client_id=NAME, metrics=metrics
    )
    watchdog = Watchdog(
        dead_letters,
        offsets=offsets,
        patience=settings.kafka.stuck_after,
        clock=time.monotonic,
        metrics=metrics,
    )
    parking = Parking(
        store=MongoLetterStore(mongo),
        publisher=KafkaPublisher(publisher),
        cluster_id=offsets.cluster_id,
        metrics=metrics,
        retention=settings.retention.failed,
        letter_retention=settings.retention.dead_letters,
    )
    register_handlers(dead_letters, parking)
    health = Health(
        required={"mongo": mongo.check, "kafka": publisher.check, "subscription": dead_letters.check}
    )
    ops = ops_server(settings.ops, health=health, metrics=metrics)
    return Service(
        NAME,
        health=health,
        parts=[ops, mongo, publisher, offsets, dead_letters, watchdog],
        grace=Grace(settings.shutdown_grace),
    )
