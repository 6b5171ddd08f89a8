"""File descriptors: as many as the system lets us have, and the last of them kept for what matters most."""

import resource
from typing import Any, Final

SPARED: Final = 128
"""Descriptors that a connection which is held for long leaves to POSTs, health checks, MongoDB and Kafka."""


def allow_all() -> None:
    """Raise the limit of this process to what it may be: shells and service managers start with a low one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def is_among_the_last(count: int, descriptor: int) -> bool:
    """Whether fewer than `count` descriptors were free when this one was opened.

    The kernel gives the lowest free number, so the number itself says how many were in use.
    The limit is asked for anew each time: an operator may change that of a running process.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft != resource.RLIM_INFINITY and descriptor >= soft - count


def holds_one_of_the_last(transport: Any) -> bool:
    """Whether a connection, known by its transport, has one of the descriptors that are spared."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    return sock is not None and is_among_the_last(SPARED, sock.fileno())
