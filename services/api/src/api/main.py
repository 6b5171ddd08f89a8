"""Wires the api together, by hand, top to bottom; nothing connects until it runs."""

import logging
import time
from datetime import timedelta

from api.backlog import Backlog
from api.batch_drafting import BatchDrafting
from api.batch_store import MongoBatchStore
from api.batching import AT_ONCE, Batching
from api.cancelling import Cancelling
from api.catalogue import Catalogue
from api.dead_letters import DeadLetters
from api.fanout import Hub
from api.following import Following
from api.handlers import register_handlers
from api.http import http_app
from api.legible import Legible
from api.moving import Moving
from api.observing import Observing
from api.origins import OriginGuard
from api.pausing import Pausing
from api.pictures import Pictures
from api.publisher import KafkaAnnouncer
from api.receiving import Heard, Receiving
from api.reconciling import Reconciling
from api.redriving import Redriving
from api.ring import Ring
from api.room import Room
from api.routes.batches import batch_routes
from api.routes.events import ManyJobs, OneJob
from api.routes.images import image_routes
from api.routes.jobs import job_routes
from api.routes.many import many_routes
from api.routes.moves import move_routes
from api.routes.one_job import one_job_routes
from api.routes.reading import reading_routes
from api.routes.submitting import PostJobs
from api.routes.tasks import task_routes
from api.settings import OWNER, Settings
from api.statistics import Statistics
from api.store import MongoJobStore
from api.streams import Streams
from api.submission import Submissions
from api.task_store import MongoTaskStore
from api.using import Using
from api.waiting import Waiting
from job_contracts.indexes import INDEXES
from job_contracts.record import INLINE_LIMIT
from job_contracts.topics import Topic
from service_chassis.health import Health
from service_chassis.metrics import Metrics
from service_chassis.mongo import Mongo
from service_chassis.objects import Objects
from service_chassis.offsets import KafkaOffsets
from service_chassis.positions import Positions
from service_chassis.publisher import Publisher
from service_chassis.server import Grace, HttpServer, Part, Service, ops_server
from service_chassis.subscription import Subscription
from service_chassis.watchdog import Watchdog

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> Service:
    """Return the api, ready to run."""
    metrics = Metrics()
    mongo = Mongo(settings.mongo, indexes=INDEXES)
    legible = Legible(
        metrics.counter("records_not_shown_total", "Stored records that no list could show", "list")
    )
    store = MongoJobStore(mongo)
    tasks, letters = MongoTaskStore(mongo, legible=legible), DeadLetters(mongo, legible=legible)
    publisher = Publisher(settings.kafka, client_id="api", metrics=metrics)
    offsets = KafkaOffsets(settings.kafka, client_id="api-offsets")
    catalogue = Catalogue(store=tasks)
    backlog = Backlog(store=store)
    announcer = KafkaAnnouncer(
        publisher, buffer=settings.announcements.buffer, acknowledged=backlog, metrics=metrics
    )
    moving = Moving(
        store=store,
        letters=letters,
        announcer=announcer,
        now=mongo.now,
        cancelled_kept=settings.retention.cancelled,
        redrives=settings.redrive.limit,
    )
    cancelling = Cancelling(
        store=store,
        announcer=announcer,
        cancelled_kept=settings.retention.cancelled,
        patience=settings.http.patience,
        time_limit=settings.http.long_patience,
    )
    redriving = Redriving(
        store=store,
        letters=letters,
        announcer=announcer,
        redrives=settings.redrive.limit,
        patience=settings.http.patience,
        time_limit=settings.http.long_patience,
    )
    submissions = Submissions(
        catalogue=catalogue,
        store=store,
        announcer=announcer,
        now=mongo.now,
        patience=settings.http.patience,
    )

    batching = Batching(
        drafting=BatchDrafting(catalogue=catalogue, now=mongo.now, job_limit=settings.http.body_limit),
        batches=MongoBatchStore(mongo),
        jobs=store,
        announcer=announcer,
        room=Room(AT_ONCE),
        now=mongo.now,
        patience=settings.http.long_patience,
        kept=settings.retention.batches,
    )

    hub = Hub()
    ring = Ring[Heard](kept=settings.streams.replayed, room=settings.streams.replay_room)
    receiving = Receiving(
        hub=hub, ring=ring, dropped=metrics.dropped, cluster=offsets.cluster_id, heard=announcer.heard
    )
    positions = Positions(back=settings.streams.replayed, began=receiving.begin)
    events = Subscription(
        settings.kafka,
        topic=Topic.JOB_EVENTS,
        group=None,
        client_id="api",
        metrics=metrics,
        depth=1,
        positions=positions,
    )
    register_handlers(events, receiving)
    watchdog = Watchdog(
        events,
        offsets=positions.behind(offsets),
        patience=settings.kafka.stuck_after,
        clock=time.monotonic,
        metrics=metrics,
        end=None,
    )
    waiting = Waiting(hub=hub, store=store, most=settings.http.waiting)
    metrics.gauge("requests_waiting", "Requests that wait for a job").set_function(lambda: len(waiting))
    streams = Streams(settings=settings.streams)
    following = Following(
        hub=hub, ring=ring, store=store, streams=streams, mailbox=settings.streams.mailbox, legible=legible
    )
    metrics.gauge("streams_open", "Live streams").set_function(lambda: len(streams))
    metrics.gauge("events_kept_bytes", "Memory of what can be replayed").set_function(lambda: ring.bytes)
    reconciling = Reconciling(
        hub=hub,
        store=store,
        every=settings.streams.reconcile,
        events_come=lambda: publisher.check().ok and events.check().ok,
        inline_limit=INLINE_LIMIT,
    )
    statistics = Statistics(
        owner=OWNER,
        mongo=mongo,
        offsets=offsets,
        streams=lambda: len(streams),
        upstreams=tasks.upstreams,
        legible=legible,
    )

    limit, stored_at = settings.http.body_limit, settings.images.store_url
    app = http_app(
        submit=PostJobs(submissions=submissions, waiting=waiting, body_limit=limit),
        many=ManyJobs(following),
        one=OneJob(following),
        routers=[
            job_routes(store=store, legible=legible),
            one_job_routes(store=store, waiting=waiting, legible=legible),
            move_routes(moving=moving, catalogue=catalogue, body_limit=limit),
            *batch_routes(batching=batching, body_limit=settings.http.batch_limit),
            many_routes(cancelling=cancelling, redriving=redriving, body_limit=limit),
            task_routes(
                catalogue=catalogue,
                pausing=Pausing(store=tasks, catalogue=catalogue),
                body_limit=limit,
            ),
            reading_routes(dead_letters=letters, statistics=statistics),
            image_routes(
                pictures=Pictures(mongo=mongo, objects=Objects(stored_at) if stored_at else None),
                using=Using(results=store, submissions=submissions),
                body_limit=limit,
            ),
        ],
    )
    health = Health(
        required={"mongo": mongo.check}, optional={"kafka": publisher.check, "job-events": events.check}
    )
    ops = ops_server(settings.ops, health=health, metrics=metrics)
    server = HttpServer(
        OriginGuard(app, hosts=settings.http.host_names, origins=settings.http.origin_names),
        host=settings.http.host,
        port=settings.http.port,
        name="http",
        drain=settings.http.patience + timedelta(seconds=1),
        trusted_proxies=settings.http.trusted_proxies,
    )
    log.warning(
        "api.open",
        extra={"why": "no API keys: whoever reaches the port may do everything", "host": settings.http.host},
    )
    # Ended from the last to the first: no new callers, then streams say good-bye, then the server
    # closes, and what the last answers announced is published before Kafka and MongoDB are left.
    parts: list[Part] = [
        ops,
        mongo,
        publisher,
        catalogue,
        backlog,
        announcer,
        offsets,
        events,
        watchdog,
        reconciling,
        Observing(figures=statistics, metrics=metrics),
        server,
        streams,
        waiting,
        server.going_unnoticed(settings.http.linger),
    ]
    return Service("api", health=health, parts=parts, grace=Grace(settings.shutdown_grace))
