"""A real MongoDB replica set on this machine, of one member or of several."""

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from jobstream_local import packages
from jobstream_local.part import NotReadyError, Part
from jobstream_local.ports import LOOPBACK, is_open

SET: Final = "rs0"

_ALREADY: Final = 23
"""Error code AlreadyInitialized."""

_NOT_YET: Final = frozenset({93, 94})
"""InvalidReplicaSetConfig (this member is not in it, as after a change of port) and NotYetInitialized."""


class Mongod(Part):
    """One member.

    Parameters
    ----------
    port
        What it listens on.
    members
        Ports of all members, itself included; the first one initiates the set.
    advertised
        The port clients are told, when something stands before it (a TCP proxy of a test).
    """

    def __init__(
        self,
        *,
        home: Path,
        port: int,
        members: Sequence[int],
        name: str = "mongod",
        advertised: int | None = None,
    ) -> None:
        super().__init__(name, kind="mongod", home=home, ports={"mongodb": port}, grace=15)
        self._folder = home / name
        self._members = tuple(members)
        self._advertised = advertised

    @property
    def uri(self) -> str:
        """Where the set is found. Behind a proxy a client must not follow the members' own addresses."""
        if self._advertised:
            return f"mongodb://{LOOPBACK}:{self._advertised}/?directConnection=true"
        return f"mongodb://{','.join(f'{LOOPBACK}:{p}' for p in self._members)}/?replicaSet={SET}"

    def prepare(self) -> None:
        """Make the data folder."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        """The server, on loopback only."""
        return [
            str(packages.mongod()),
            *(
                "--dbpath",
                str(self._folder),
                "--replSet",
                SET,
                "--bind_ip",
                LOOPBACK,
                "--port",
                str(self.ports["mongodb"]),
            ),
            # With a quarter of this cache much of its CPU went into evicting pages that were written again at once.
            *("--wiredTigerCacheSizeGB", "1", "--oplogSize", "256", "--nounixsocket"),
            # Nobody reads the past. By default five minutes of it are kept, and each page that goes to disk takes along
            # what its records were in between.
            *("--setParameter", "minSnapshotHistoryWindowInSeconds=0"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # A primary that ends waits for secondaries; when all end at once there are none to wait for.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=1000"),
        ]

    def environ(self) -> Mapping[str, str]:
        """What it inherits, but for a locale that may not be installed, with which it would not start."""
        return {**os.environ, "LC_ALL": "C"}

    async def ready(self) -> bool:
        """Whether it is a primary, or a secondary of one."""
        return await asyncio.to_thread(self._ready)

    def _ready(self) -> bool:
        port = self.ports["mongodb"]
        if not is_open(port):
            return False
        with contextlib.suppress(PyMongoError), _client(port, patience=1000) as client:
            hello = client.admin.command("hello")
            return bool(hello.get("isWritablePrimary") or (hello.get("secondary") and hello.get("primary")))
        return False

    async def settle(self, *, within: float) -> None:
        """Have the set initiated, or told of its new port."""
        if self.ports["mongodb"] == self._members[0]:
            await asyncio.to_thread(self._initiate, time.monotonic() + within)

    def _initiate(self, deadline: float) -> None:
        """Form the set, once every member answers."""
        for port in self._members:
            while not is_open(port):
                if not self.process.alive:
                    raise NotReadyError(self.complaint(f"ended with exit code {self.process.exit_code}"))
                if time.monotonic() > deadline:
                    raise NotReadyError(self.complaint(f"or its member on port {port} did not start"))
                time.sleep(0.02)
        # A lone member elects itself at once; among several the default of 10 s makes every start and every test wait.
        swift = {"electionTimeoutMillis": 2000} if len(self._members) > 1 else {}
        hosts = [{"_id": n, "host": f"{LOOPBACK}:{port}"} for n, port in enumerate(self._members)]
        with _client(self.ports["mongodb"], patience=10_000) as client:
            try:
                client.admin.command("replSetInitiate", {"_id": SET, "members": hosts, "settings": swift})
            except OperationFailure as error:
                if error.code != _ALREADY:
                    raise
                self._move(client, hosts)

    @staticmethod
    def _move(client: "pymongo.MongoClient[dict[str, Any]]", hosts: list[dict[str, Any]]) -> None:
        """Data of an earlier run names the ports of that run: give it today's."""
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code not in _NOT_YET:
                raise
            config = client["local"]["system.replset"].find_one() or {"version": 0}
        if [m["host"] for m in config.get("members", [])] == [h["host"] for h in hosts]:
            return
        config = {"_id": SET, "version": config["version"] + 1, "members": hosts}
        client.admin.command("replSetReconfig", config, force=True)


def _client(port: int, *, patience: int) -> "pymongo.MongoClient[dict[str, Any]]":
    return pymongo.MongoClient(
        LOOPBACK,
        port,
        directConnection=True,
        serverSelectionTimeoutMS=patience,
        connectTimeoutMS=patience,
        socketTimeoutMS=patience,
    )
