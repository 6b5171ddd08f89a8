"""Wires the result worker; nothing connects until it runs."""

import time
from typing import Final

from job_contracts.indexes import INDEXES
from job_contracts.topics import Group, Topic
from result_worker.figures import Figures
from result_worker.handlers import register_handlers
from result_worker.publisher import KafkaPublisher
from result_worker.recording import Recording
from result_worker.settings import Settings
from result_worker.store import MongoResultStore
from service_chassis.health import Health
from service_chassis.metrics import Metrics
from service_chassis.mongo import Mongo
from service_chassis.offsets import KafkaOffsets
from service_chassis.publisher import Publisher
from service_chassis.server import Grace, Service, ops_server
from service_chassis.subscription import Subscription
from service_chassis.watchdog import Watchdog

NAME: Final = "result-worker"


def create_app(settings: Settings) -> Service:
    """Assemble the result worker."""
    metrics = Metrics()
    mongo = Mongo(settings.mongo, indexes=INDEXES)
    publisher = Publisher(settings.kafka, client_id=NAME, metrics=metrics)
    offsets = KafkaOffsets(settings.kafka, client_id=NAME)
    results = Subscription(
        settings.kafka, topic=Topic.RESULTS, group=Group.RESULT_WORKER, client_id=NAME, metrics=metrics
    )
    watchdog = Watchdog(
        results, offsets=offsets, patience=settings.kafka.stuck_after, clock=time.monotonic, metrics=metrics
    )
    store = MongoResultStore(mongo)
    figures = Figures(store=store)
    recording = Recording(
        store=store,
        publisher=KafkaPublisher(publisher),
        figures=figures,
        metrics=metrics,
        retention=settings.retention.succeeded,
    )
    register_handlers(results, recording)
    health = Health(required={"mongo": mongo.check, "kafka": publisher.check, "subscription": results.check})
    ops = ops_server(settings.ops, health=health, metrics=metrics)
    return Service(
        NAME,
        health=health,
        parts=[ops, mongo, publisher, offsets, figures, results, watchdog],
        grace=Grace(settings.shutdown_grace),
    )
