"""Finds the tasks that are installed beside the worker; one that cannot be loaded costs none of the others."""

import logging
import signal
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import EntryPoint, distributions
from typing import Final

from job_worker.tasks.definition import Task

log = logging.getLogger(__name__)

GROUP: Final = "jobstream.tasks"
"""Entry-point group under which packages publish their tasks."""


class RegistryError(Exception):
    """What an entry point names can be no task of this worker."""


@dataclass(slots=True, kw_only=True)
class Installed:
    """What the packages beside the worker publish."""

    tasks: dict[str, Task] = field(default_factory=dict)
    """Tasks by name."""
    refused: dict[str, str] = field(default_factory=dict)
    """Names that two packages have given to different tasks: neither runs, and the text names both."""
    broken: dict[str, tuple[EntryPoint, str]] = field(default_factory=dict)
    """What could not be loaded, by the name of its entry point, and why."""


def installed_tasks(within: timedelta) -> Installed:
    """Load every installed task, each for so long at most."""
    return load_all(_entry_points(), within)


def load_all(points: Iterable[EntryPoint], within: timedelta) -> Installed:
    """Load these tasks; whatever one of them does, the others are there."""
    found = Installed()
    origins: defaultdict[str, dict[str, Task]] = defaultdict(dict)
    for point in sorted(points, key=lambda p: (p.value, p.name)):
        try:
            with _interrupted_after(within):
                task = load(point)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # An import may even call `sys.exit`.
            found.broken[point.name] = (point, explain(error))
            log.error(
                "task.not_loaded",
                extra={"entry_point": point.value, "reason": explain(error)},
                exc_info=error,
            )
        else:
            origins[task.name][point.value] = task
    for name, tasks in origins.items():
        first, *others = tasks.values()
        if all(other is first for other in others):
            found.tasks[name] = first
        else:
            found.refused[name] = f"two tasks are called {name!r}: {' and '.join(tasks)}"
            log.error("task.refused", extra={"task": name, "reason": found.refused[name]})
    return found


def load(point: EntryPoint) -> Task:
    """Return the task an entry point names.

    Raises
    ------
    RegistryError
        It names something else.
    Exception
        Whatever the import raises, or the description of the task for the catalogue.
    """
    found = point.load()
    if not isinstance(found, Task):
        raise RegistryError(f"{point.value} is no task: decorate it with @task(…)")
    found.catalogue_entry()
    return found


def explain(error: BaseException) -> str:
    """Return an error as it is shown, whatever it is."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  its `__str__` raises
        text = type(error).__name__
    return text.encode(errors="replace").decode()[:500]


def _entry_points() -> list[EntryPoint]:
    points: dict[tuple[str, str], EntryPoint] = {}
    seen: set[str] = set()
    for distribution in distributions():
        try:
            # As importlib does: of two distributions of one name the first on the path counts.
            name = distribution.metadata["Name"]
            if name in seen:
                continue
            seen.add(name)
            for point in distribution.entry_points:
                if point.group == GROUP:
                    points[point.name, point.value] = point
        except Exception as error:  # noqa: BLE001  a package whose metadata cannot be read has no tasks
            log.error("package.unreadable", extra={"reason": explain(error)})
    return list(points.values())


@contextmanager
def _interrupted_after(within: timedelta) -> Iterator[None]:
    """Raise TimeoutError in what takes longer: only the main thread can be interrupted so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise TimeoutError(f"the import took longer than {within.total_seconds():g} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    # Again each second: an import may catch the first.
    signal.setitimer(signal.ITIMER_REAL, within.total_seconds(), 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
