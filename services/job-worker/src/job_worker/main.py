"""Assembles the job worker, top to bottom; nothing connects until it runs."""

import asyncio
import random
import time

from job_contracts.indexes import INDEXES
from job_contracts.topics import Group, Topic
from job_worker.availability import Availability
from job_worker.brake import Brake
from job_worker.catalogue import Catalogue
from job_worker.claiming import Claiming
from job_worker.dispatcher import Dispatcher
from job_worker.due import Due
from job_worker.execution import Execution
from job_worker.expiring import Expiring
from job_worker.feeding import Feeder
from job_worker.handlers import register_handlers
from job_worker.holding import Holding
from job_worker.lanes import Lanes
from job_worker.lease import Lease
from job_worker.moving import Moving
from job_worker.outcomes import Outcomes
from job_worker.pauses import Pauses
from job_worker.processes import Processes
from job_worker.publisher import KafkaPublisher
from job_worker.queue import Queue
from job_worker.reaping import Reaping
from job_worker.releasing import Releasing
from job_worker.settings import Settings
from job_worker.slots import Slots
from job_worker.store import MongoJobStore
from job_worker.sweeping import Sweeping
from job_worker.tasks import TaskEnvironment
from job_worker.tasks.image_search.leftovers import Leftovers
from job_worker.tasks.registry import Installed
from job_worker.turns import Turns
from job_worker.upstream.meters import Meters
from job_worker.upstream.stores import MongoAnswerStore, MongoStateStore
from job_worker.upstream.upstreams import Upstreams
from job_worker.watching import Watching
from service_chassis.health import Health
from service_chassis.metrics import Metrics
from service_chassis.mongo import Mongo
from service_chassis.objects import Objects
from service_chassis.offsets import KafkaOffsets
from service_chassis.publisher import Publisher
from service_chassis.server import Grace, Part, Service, ops_server
from service_chassis.subscription import Subscription
from service_chassis.watchdog import Watchdog

NAME = "job-worker"


def create_app(settings: Settings, installed: Installed) -> Service:
    """Assemble the worker for these tasks."""
    metrics, clock = Metrics(), time.monotonic
    mongo = Mongo(settings.mongo, indexes=INDEXES)
    kafka = Publisher(settings.kafka, client_id=NAME, metrics=metrics)
    offsets = KafkaOffsets(settings.kafka, client_id=NAME)
    store, publisher = MongoJobStore(mongo), KafkaPublisher(kafka)
    slots = Slots(settings.worker.concurrency)
    lanes = Lanes(slots, threads=settings.worker.threads, processes=settings.worker.processes, clock=clock)
    upstreams = Upstreams(
        states=MongoStateStore(mongo.collection),
        kept=MongoAnswerStore(mongo.collection),
        patience=settings.breaker.patience(),
        meters=Meters(metrics),
        clock=clock,
        pause=asyncio.sleep,
        draw=random.random,
    )
    environment = TaskEnvironment(collection=mongo.collection, now=mongo.now, upstreams=upstreams)
    availability = Availability(
        installed, environment, within=settings.worker.open_within, now=mongo.now, metrics=metrics
    )
    tasks = availability.tasks

    pauses = Pauses(store=store)
    brake = Brake(store=store, pauses=pauses, settings=settings.brake, clock=clock, metrics=metrics)
    moving = Moving(store=store, publisher=publisher, pause=asyncio.sleep)
    outcomes = Outcomes(publisher=publisher, pause=asyncio.sleep)
    processes = Processes(
        most=settings.worker.processes,
        memory=settings.worker.process_memory,
        tasks=lambda: list(tasks.values()),
    )
    execution = Execution(
        tasks=tasks,
        resources=availability.opened,
        lanes=lanes,
        processes=processes,
        outcomes=outcomes,
        moving=moving,
        clock=clock,
        now=mongo.now,
        brake=brake,
        retention=settings.retention.cancelled,
        grace=(grace := Grace(settings.shutdown_grace)),
    )
    lease = Lease(
        settings.mongo,
        settings.worker,
        tasks=lambda: sorted(tasks),
        versions=lambda: sorted(f"{task.name}@{task.digest}" for task in list(tasks.values()) if task.digest),
        unavailable=availability.unavailable,
        slots=slots,
        partitions=lambda: subscription.partitions(),  # noqa: PLW0108  it is made below
        running=lambda: sorted({job.request.task for job in list(execution.running.values())}),
    )
    lease.on_lapse = lambda worker: execution.drop(lambda job: job.worker == worker)
    claiming = Claiming(
        store=store,
        publisher=publisher,
        execution=execution,
        moving=moving,
        lease=lease,
        lanes=lanes,
        pauses=pauses,
        tasks=tasks,
        digest=lambda name: tasks[name].digest,
        now=mongo.now,
        grace=grace,
        metrics=metrics,
    )
    subscription = Subscription(
        settings.kafka,
        topic=Topic.JOBS,
        group=Group.JOB_WORKER,
        client_id=NAME,
        metrics=metrics,
        depth=1,
        demand=claiming.wanted,
    )
    register_handlers(subscription, claiming)
    watchdog = Watchdog(
        subscription, offsets=offsets, patience=settings.kafka.stuck_after, clock=clock, metrics=metrics
    )
    watching = Watching(
        execution=execution,
        lease=lease,
        store=store,
        publisher=publisher,
        clock=clock,
        announce_after=settings.worker.announce_after,
    )
    reaping = Reaping(
        store=store,
        publisher=publisher,
        moving=moving,
        offsets=offsets,
        lease=settings.worker.lease,
        retention=settings.retention.cancelled,
        batch=settings.dispatcher.batch,
        clock=clock,
    )
    releasing = Releasing(store=store, publisher=publisher, metrics=metrics)
    due = Due(
        store=store,
        releasing=releasing,
        expiring=Expiring(store=store, publisher=publisher),
        batch=settings.dispatcher.batch,
        metrics=metrics,
    )
    turns = Turns(store=store, releasing=releasing, queue=Queue(offsets), batch=settings.dispatcher.batch)
    dispatcher = Dispatcher(
        store=store,
        steps={
            "expired": due.expired,
            "waiting": due.waiting,
            "pending": due.pending,
            "served": due.served,
            "after_pauses": turns.after_pauses,
            "low_priority": turns.low_priority,
            "overdue": reaping.reap_overdue,
            "dead_workers": reaping.reap_dead_workers,
        },
        reaping=reaping,
        settings=settings.dispatcher,
        clock=clock,
        metrics=metrics,
    )
    sweeping = Sweeping(
        leftovers=Leftovers(
            collection=mongo.collection,
            objects=Objects(settings.images.store_url) if settings.images.store_url else None,
            now=mongo.now,
        ),
        leads=lambda: dispatcher.leads,
        every=settings.images.sweep_every,
        clock=clock,
        metrics=metrics,
    )
    metrics.gauge("slots_busy", "Slots that run a job").set_function(lambda: slots.busy)
    metrics.gauge("loop_blocked_looks", "How often the loop was found to be blocked by a task").set_function(
        lambda: lease.blocked_looks
    )
    metrics.gauge("processes_busy", "Jobs in processes of their own").set_function(
        lambda: lanes.processes.slots.busy
    )
    metrics.gauge("threads_busy", "Plain functions that run").set_function(lambda: lanes.threads.slots.busy)
    metrics.gauge(
        "threads_abandoned", "Plain functions that run on though their attempts are over"
    ).set_function(lambda: execution.abandoned)
    metrics.gauge("slots_total", "Slots there are").set(slots.total)
    catalogue = Catalogue(store=store, moving=moving)
    availability.loaded = catalogue.add
    health = Health(
        required={
            "mongo": mongo.check,
            "kafka": kafka.check,
            "catalogue": catalogue.check,
            "jobs": subscription.check,
            "lease": lease.check,
        },
        optional={"tasks": availability.check},
    )
    ops = ops_server(settings.ops, health=health, metrics=metrics)
    # Ended from the last to the first: no new jobs, then no more looks, then the running ones, then their lease.
    connections: list[Part] = [ops, mongo, kafka, offsets, availability]
    holding = Holding(execution=execution, store=store)
    parts = [
        *connections,
        catalogue,
        pauses,
        lease,
        holding,
        processes,
        execution,
        claiming,
        watching,
        dispatcher,
    ]
    parts += [sweeping, Feeder(lanes, claiming), subscription, watchdog]
    return Service(NAME, health=health, parts=parts, grace=grace)
