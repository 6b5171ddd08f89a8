"""MongoDB behind one door: the driver, the clock of the server, the indexes."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import AsyncMongoClient, IndexModel
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from service_chassis.health import Status
from service_chassis.server_clock import ServerClock
from service_chassis.settings import MongoDriver, MongoSettings

log = logging.getLogger(__name__)

Collection = Any
"""A collection of either driver: their asynchronous methods have the same names and arguments."""

POOL = 50
"""Connections at most: who comes when all are taken waits. They fit into the file descriptors that servers leave."""

_REFRESH = timedelta(seconds=2)

_PASSING = frozenset(
    # Unreachable, slow or busy: HostUnreachable, HostNotFound, LockTimeout, CursorNotFound, MaxTimeMSExpired,
    # NetworkTimeout, WriteConflict, ReadConcernMajorityNotAvailableYet, ExceededMemoryLimit, SnapshotUnavailable.
    {6, 7, 24, 43, 50, 89, 112, 134, 146, 246, 262, 365, 9001}
    # Shuts down, steps down, has no majority or no room on its disk just now.
    | {64, 91, 100, 189, 10107, 11600, 11601, 11602, 13435, 13436, 14031}
    # Does not let us in: an operator changes rights or passwords, and no job is to blame.
    | {13, 18}
)
"""Codes of a server that may answer otherwise later (MongoDB, error_codes.yml)."""


class IndexSpec(Protocol):
    """What an index is made from."""

    @property
    def name(self) -> str:
        """Name, unique in its collection."""

    @property
    def keys(self) -> Sequence[tuple[str, int]]:
        """Fields, each with 1 or -1."""

    @property
    def options(self) -> Mapping[str, Any]:
        """What `create_index` takes besides."""


def index_models(specs: Sequence[IndexSpec]) -> list[IndexModel]:
    """Return the indexes as the driver takes them."""
    return [IndexModel(list(spec.keys), name=spec.name, **dict(spec.options)) for spec in specs]


def is_outage(error: BaseException) -> bool:
    """Whether MongoDB, not the request, is to blame, so that the same call may work later."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | ProtocolError | WTimeoutError | TimeoutError):
        return True
    if isinstance(error, BulkWriteError):
        refused = error.details.get("writeErrors", [])
        return bool(error.details.get("writeConcernErrors")) or any(e["code"] in _PASSING for e in refused)
    if isinstance(error, OperationFailure) and error.code in _PASSING:
        return True
    return isinstance(error, PyMongoError) and any(
        error.has_error_label(label) for label in ("RetryableWriteError", "TransientTransactionError")
    )


class Mongo:
    """A connection that may come and go while the service lives.

    Enter it as a context: a task then keeps in touch with the server, which gives the
    readiness check its answer and `now` its clock. Nothing fails when the server is away.
    """

    def __init__(self, settings: MongoSettings, *, indexes: Mapping[str, Sequence[IndexSpec]]) -> None:
        self._settings = settings
        self._indexes = indexes
        self._client: Any = None
        self._collections: dict[str, Collection] = {}
        self._task: asyncio.Task[None] | None = None
        self._clock = ServerClock()
        self._reason = "not connected yet"
        self._indexed = asyncio.Event()
        self._ok = False

    async def __aenter__(self) -> "Mongo":
        self._client = _connect(self._settings)
        self._task = asyncio.create_task(self._keep_in_touch(), name="mongo-contact")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
        closing = self._client.close()
        if closing is not None:
            await closing

    def collection(self, name: str) -> Collection:
        """Return a collection whose writes are journaled by a majority before they are acknowledged.

        Reads are majority reads of the primary, so that an event is never built from what may be rolled back, nor
        a move judged by what is not there yet. Nothing that the URI says can weaken any of this.
        """
        # Kept, because making one costs as much as encoding a command.
        if name not in self._collections:
            # That is UTC. Were it named as `tzinfo`, each time would be converted to the zone it has.
            # What cannot be read as it is, such as a year beyond 9999, must not hide what is read with it.
            options: CodecOptions[dict[str, Any]] = CodecOptions(
                tz_aware=True,
                datetime_conversion=DatetimeConversion.DATETIME_CLAMP,
                unicode_decode_error_handler="replace",
            )
            self._collections[name] = self._client[self._settings.database].get_collection(
                name,
                codec_options=options,
                write_concern=WriteConcern(w="majority", j=True),
                read_concern=ReadConcern("majority"),
                read_preference=ReadPreference.PRIMARY,
            )
        return self._collections[name]

    async def aggregate(
        self, name: str, pipeline: list[dict[str, Any]], **options: Any
    ) -> list[dict[str, Any]]:
        """Run an aggregation and return all of it; the two drivers differ in this one call."""
        cursor = self.collection(name).aggregate(pipeline, **options)
        if asyncio.iscoroutine(cursor):
            cursor = await cursor
        documents: list[dict[str, Any]] = await cursor.to_list(None)
        return documents

    def now(self) -> datetime:
        """Return the server's time as far as it is known, for inserts, which cannot ask for `$$NOW`.

        It runs on the monotonic clock, so a jump of this machine's wall clock does not move it.
        """
        return self._clock.now()

    def check(self) -> Status:
        """Whether the server answered lately and the indexes are in place."""
        return Status(self._ok and self._indexed.is_set(), self._reason)

    async def ready(self) -> None:
        """Wait until the indexes are in place."""
        await self._indexed.wait()

    async def _keep_in_touch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(5):
                    asked = time.monotonic()
                    hello = await self._client.admin.command("hello", read_preference=ReadPreference.PRIMARY)
                    told = hello["localTime"].replace(tzinfo=UTC)
                    self._clock.heard(told, asked=asked, answered=time.monotonic())
                if not self._indexed.is_set():
                    await self._create_indexes()
                self._say(True, "connected")
            except Exception as error:
                if not isinstance(error, PyMongoError | OSError):
                    # Whatever it is, contact is looked for again.
                    log.exception("mongo.contact_failed")
                # PyMongo's message goes on with its settings and the whole topology.
                told = str(error).partition(" (configured")[0].partition(", Timeout:")[0]
                self._say(False, f"{type(error).__name__}: {told[:200]}")
            await asyncio.sleep(_REFRESH.total_seconds())

    def _say(self, ok: bool, reason: str) -> None:
        if ok != self._ok:
            log.log(
                logging.INFO if ok else logging.WARNING, "mongo.contact", extra={"ok": ok, "reason": reason}
            )
        self._ok, self._reason = ok, reason

    async def _create_indexes(self) -> None:
        for name, specs in self._indexes.items():
            try:
                await self.collection(name).create_indexes(index_models(specs))
            except OperationFailure as error:
                if error.code in (85, 86):  # IndexOptionsConflict, IndexKeySpecsConflict
                    log.error("mongo.index_differs", extra={"collection": name, "reason": str(error)})
                raise
        self._indexed.set()


def _connect(settings: MongoSettings) -> Any:
    uri = settings.uri.get_secret_value()
    patience = round(settings.patience / timedelta(milliseconds=1))
    options: dict[str, Any] = {
        "serverSelectionTimeoutMS": patience,
        "connectTimeoutMS": patience,
        "socketTimeoutMS": 10_000,
        "retryWrites": True,
        "maxPoolSize": POOL,
        "appname": "jobstream",
    }
    if settings.driver is MongoDriver.MOTOR:
        from motor.motor_asyncio import AsyncIOMotorClient

        return AsyncIOMotorClient(uri, **options)
    return AsyncMongoClient(uri, **options)
