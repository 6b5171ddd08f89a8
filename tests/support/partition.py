"""Networks between the members of a replica set that can be cut, while clients reach every member."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
from pymongo import MongoClient

from jobstream_local.ports import LOOPBACK
from tests.support.hops import Hop, Hops
from tests.support.product import Product

_SETTLED: Final = 20.0


class Links:
    """A proxy before each member, which members and clients alike go through; it knows a member by its sockets."""

    def __init__(self, product: Product, hops: Hops) -> None:
        self._product = product
        self._pids = {name: product.stack.part(name).process.pid for name in product.names("mongod")}
        self.hops: dict[str, Hop] = {
            name: hops.open(product.stack.part(name).ports["mongodb"]) for name in self._pids
        }

    def isolate(self, name: str) -> None:
        """Cut one member off from the others, and from nobody else."""
        others = [other for other in self._pids if other != name]
        self.hops[name].tell("admit", self._but(others))
        for other in others:
            self.hops[other].tell("admit", self._but([name]))

    def _but(self, names: Collection[str]) -> Callable[[int], bool]:
        pids = [pid for name in names if (pid := self._pids[name])]
        return lambda port: not has_port(pids, port)


def has_port(pids: Collection[int], port: int) -> bool:
    """Whether one of these processes has a connection that begins at this port of the loopback.

    It is asked for every connection while all clients come back at once: to read all connections
    of the processes, as psutil does, took fifty times as long, and members did not hear each other.
    """
    begins = f": 0100007F:{port:04X} "
    lines = [line for line in Path("/proc/net/tcp").read_text().splitlines() if begins in line]
    sockets = {f"socket:[{line.split()[9]}]" for line in lines}
    return any(_opens(fd) in sockets for pid in pids for fd in Path(f"/proc/{pid}/fd").iterdir())


def _opens(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""  # It was closed since it was listed.


@contextmanager
def links(product: Product) -> Iterator[Links]:
    """Have the members of a product's replica set reached through proxies, as its clients are told as well."""
    with Hops() as hops:
        found = Links(product, hops)
        direct = [product.stack.part(name).ports["mongodb"] for name in found.hops]
        _move(product, [hop.port for hop in found.hops.values()])
        try:
            yield found
        finally:
            hops.heal()
            _move(product, direct)
            # Who knows the proxies alone must hear of the members themselves before the proxies are gone.
            _wait_for_nobody_behind(product, {hop.port for hop in found.hops.values()})


def _move(product: Product, ports: list[int]) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(
        product.stack.mongo_uri, serverSelectionTimeoutMS=round(1000 * _SETTLED)
    )
    with client:
        config = client.admin.command("replSetGetConfig")["config"]
        members = [
            {**m, "host": f"{LOOPBACK}:{port}"} for m, port in zip(config["members"], ports, strict=True)
        ]
        config |= {"members": members, "version": config["version"] + 1}
        client.admin.command("replSetReconfig", config)


def _wait_for_nobody_behind(product: Product, ports: Collection[int]) -> None:
    """Wait until no service has a connection to one of these ports."""
    processes = [psutil.Process(pid) for service in product.services() if (pid := service.process.pid)]
    deadline = time.monotonic() + _SETTLED
    while any(
        c.status == psutil.CONN_ESTABLISHED and c.raddr.port in ports
        for p in processes
        for c in p.net_connections("tcp")
    ):
        if time.monotonic() > deadline:
            raise AssertionError(f"services still go through the proxies after {_SETTLED:g} s")
        time.sleep(0.1)
