"""Ports of this machine: is one free, and which are."""

import errno
import random
import socket
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"

_given: set[int] = set()
"""Handed out by this process: a port is free until its server has opened it, which takes seconds."""


class PortInUseError(RuntimeError):
    """Somebody else listens on a port that was asked for.

    Parameters
    ----------
    port
        The port.
    variable
        The setting that chooses another one.
    owner
        The part that wanted it.
    """

    def __init__(self, port: int, variable: str, owner: str) -> None:
        super().__init__(
            f"port {port} is in use, and {owner} needs it: choose another with {variable}={port + 100}"
        )


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now; connections still closing do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def is_open(port: int, patience: float = 1.0) -> bool:
    """Whether somebody accepts connections on the port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=patience).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port nobody listens on and this process has not handed out.

    Below the range from which the kernel takes the near end of outgoing connections (32768 and up on Linux): a port
    from there may be gone again before its server has opened it.
    """
    for port in _candidates():
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise AssertionError  # pragma: no cover -- the candidates never end


def _candidates() -> Iterator[int]:
    while True:
        yield random.randrange(20_000, 32_000)
