"""How many files the processes of a stack may have open."""

import resource
from typing import Final

NEEDED: Final = 1_024
"""Of one process: Kafka has some 300 open with the topics of a new stack, MongoDB more with each collection."""


class LimitError(RuntimeError):
    """The system does not let the stack have what it needs; the message says what to raise."""


def allow_open_files() -> None:
    """Raise the limit of this process and its children as far as it goes.

    Raises
    ------
    LimitError
        That is too low for Kafka and MongoDB, which would end in the middle of something.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < NEEDED:
        msg = (
            f"only {hard} files may be open at a time (`ulimit -Hn`); Kafka and MongoDB need {NEEDED} or more"
        )
        raise LimitError(msg)
    soft = hard if hard != resource.RLIM_INFINITY else 65_536
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
