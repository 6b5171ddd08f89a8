"""File descriptors: as many as the system lets us have, and the last of them kept for what matters most."""

import resource


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
