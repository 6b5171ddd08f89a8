"""Finds the tasks that are installed beside the worker."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Final

from job_worker.tasks.definition import Task

GROUP: Final = "jobstream.tasks"
"""Entry-point group under which packages publish their tasks."""


class RegistryError(Exception):
    """The installed tasks cannot be used together."""


def installed_tasks() -> Mapping[str, Task]:
    """Return every installed task by name.

    Raises
    ------
    RegistryError
        An entry point is no task, or two tasks have one name; the text names both.
    """
    tasks: dict[str, Task] = {}
    origin: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.value):
        found = point.load()
        if not isinstance(found, Task):
            raise RegistryError(
                f"entry point {point.name!r} ({point.value}) is no task: decorate it with @task(…)"
            )
        if found.name in tasks:
            raise RegistryError(
                f"two tasks are called {found.name!r}: {origin[found.name]} and {point.value}"
            )
        tasks[found.name] = found
        origin[found.name] = point.value
    return tasks
