"""Whatever an upstream answers, a task raises nothing but errors of tasks."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from job_worker.tasks.errors import TaskError

log = logging.getLogger(__name__)


@contextmanager
def understood(upstream: str, trouble: Callable[[str], TaskError]) -> Iterator[None]:
    """Turn what nobody has expected of an answer into trouble with this upstream, and log it.

    An error of another kind would be taken for a bug of the task, which pauses the task for everybody
    when it comes often enough: an upstream must not be able to do that.
    """
    try:
        yield
    except (TaskError, TimeoutError):
        raise
    except Exception as error:
        log.exception("upstream.not_understood", extra={"upstream": upstream})
        # Not the error's own text: it may quote what was sent.
        raise trouble(f"the answer of {upstream} cannot be understood: {type(error).__name__}") from None
