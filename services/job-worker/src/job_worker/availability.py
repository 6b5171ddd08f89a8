"""Which tasks this worker can run now: what is broken is said, tried again, and costs no other task anything."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import EntryPoint
from typing import Any, Final

from prometheus_client import Gauge

from job_worker.foreign_thread import in_thread
from job_worker.tasks import Task, TaskEnvironment
from job_worker.tasks.definition import Resources
from job_worker.tasks.registry import Installed, explain, load
from job_worker.unblocker import Unblocker
from service_chassis.backoff import Backoff
from service_chassis.health import Status
from service_chassis.metrics import Metrics

log = logging.getLogger(__name__)

_TO_CLOSE: Final = timedelta(seconds=3)
_OPENING: Final = "its resources are being opened"
_AGAIN: Final = Backoff(first=timedelta(seconds=1), cap=timedelta(minutes=1))


class Availability:
    """Opens what tasks need, once for each function that opens it, and keeps it open; a part of the service.

    A task whose resources raise or hang, or whose package cannot be imported, is not among `tasks`: this worker
    does not say that it knows it, so its jobs go elsewhere or wait. It is tried again with back-off.

    Parameters
    ----------
    within
        Longest time for one try to open or load something.
    loaded
        Told of each task that is there, at start and later: the catalogue.
    """

    def __init__(
        self,
        installed: Installed,
        environment: TaskEnvironment,
        *,
        within: timedelta,
        now: Callable[[], datetime],
        metrics: Metrics,
        backoff: Backoff = _AGAIN,
    ) -> None:
        self._installed, self._environment = installed, environment
        self._within, self._now, self._backoff = within, now, backoff
        self.loaded: Callable[[Task], None] = lambda _: None
        self.tasks: dict[str, Task] = {}
        """What can be run now, by name; a task that is there stays."""
        self.opened: dict[str, Any] = {}
        """What was opened for them."""
        self._reasons: dict[str, tuple[datetime, str]] = {}
        self._shared: list[tuple[Resources, list[Task]]] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._changed, self._closing = asyncio.Event(), asyncio.Event()
        self._unblocker = Unblocker(within)
        self._gauge: Gauge = metrics.gauge(
            "task_unavailable", "1 while this worker cannot run the task", "task"
        )

    async def __aenter__(self) -> "Availability":
        await self._unblocker.__aenter__()
        for name, reason in self._installed.refused.items():
            self._is_unavailable(name, reason)
        for name, (point, reason) in self._installed.broken.items():
            self._is_unavailable(name, reason)
            self._keep(self._load_again(name, point))
        for task in self._installed.tasks.values():
            self._add(task)
        # What takes longer is opened beside the others' jobs.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._within.total_seconds()):
                while self._opening():
                    self._changed.clear()
                    await self._changed.wait()
        self._say(self._opening(), f"its resources have not opened within {self._within.total_seconds():g} s")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._unblocker.__aexit__()
        if self._keepers:
            await asyncio.wait(self._keepers, timeout=_TO_CLOSE.total_seconds())
        late = [keeper for keeper in self._keepers if not keeper.done()]
        for keeper in late:
            keeper.cancel()
        if late:
            log.warning("resources.not_closed", extra={"count": len(late)})

    def unavailable(self) -> list[dict[str, Any]]:
        """Return what cannot be run now, since when and why."""
        return [
            {"task": name, "at": at, "error": reason} for name, (at, reason) in sorted(self._reasons.items())
        ]

    def check(self) -> Status:
        """Whether every installed task can be run."""
        reasons = "; ".join(f"{name}: {reason[:200]}" for name, (_, reason) in sorted(self._reasons.items()))
        return Status(not reasons, reasons[:1_000] or f"{len(self.tasks)} can be run")

    def _add(self, task: Task) -> None:
        self.loaded(task)
        if task.resources is None:
            self._is_available(task)
            return
        self._is_unavailable(task.name, _OPENING)
        for resources, tasks in self._shared:
            if resources == task.resources:
                tasks.append(task)
                # Opened already, if this one was loaded late.
                if tasks[0].name in self.tasks:
                    self._is_available(task, self.opened[tasks[0].name])
                return
        tasks = [task]
        self._shared.append((task.resources, tasks))
        self._keep(self._hold(task.resources, tasks))

    def _keep(self, work: Any) -> None:
        self._keepers.append(asyncio.create_task(work, name="availability"))

    def _opening(self) -> list[str]:
        return [name for name, (_, reason) in self._reasons.items() if reason == _OPENING]

    def _is_available(self, task: Task, resource: Any = None) -> None:
        if self._reasons.pop(task.name, None) is not None:
            log.info("task.available", extra={"task": task.name})
        self._gauge.labels(task.name).set(0)
        self.opened[task.name] = resource
        self.tasks[task.name] = task
        self._changed.set()

    def _is_unavailable(self, name: str, reason: str) -> None:
        self._gauge.labels(name).set(1)
        at, _ = self._reasons.get(name, (self._now(), ""))
        self._reasons[name] = (at, reason)
        self._changed.set()
        if reason != _OPENING:
            log.error("task.unavailable", extra={"task": name, "reason": reason})

    async def _hold(self, resources: Resources, tasks: list[Task]) -> None:
        """Open, keep open until the end, and close: all of it in one asyncio task, as libraries may ask for."""
        manager = await self._until_well(
            lambda: self._open(resources, tasks), lambda: [t.name for t in tasks]
        )
        if manager is None:
            return
        await self._closing.wait()
        try:
            await manager.__aexit__(None, None, None)
        except BaseException as error:  # noqa: BLE001  it was the task's own
            log.warning("resources.not_closed_well", extra={"task": tasks[0].name, "reason": explain(error)})

    async def _open(self, resources: Resources, tasks: list[Task]) -> AbstractAsyncContextManager[Any]:
        manager = resources(self._environment)
        opened = await manager.__aenter__()
        for task in tasks:
            self._is_available(task, opened)
        return manager

    async def _load_again(self, name: str, point: EntryPoint) -> None:
        await asyncio.sleep(self._backoff.wait(1).total_seconds())

        loading: asyncio.Future[Task] | None = None

        async def again() -> bool:
            nonlocal loading
            # An import that hangs is waited for and not begun a second time.
            if loading is None or loading.done():
                loading = in_thread(partial(load, point))
            task = await asyncio.shield(loading)
            if task.name in {*self._installed.tasks, *self._installed.refused}:
                raise ValueError(f"two tasks are called {task.name!r}, one of them {point.value}")
            self._reasons.pop(name, None)
            self._gauge.labels(name).set(0)
            self._installed.tasks[task.name] = task
            self._add(task)
            return True

        await self._until_well(again, lambda: [name])

    async def _until_well(self, attempt: Callable[[], Awaitable[Any]], names: Callable[[], list[str]]) -> Any:
        """Try until it works and return what comes of it; None if the end comes first."""
        failures = 0
        while not self._closing.is_set():
            trying = asyncio.current_task()
            try:
                with self._unblocker.watched():
                    async with asyncio.timeout(self._within.total_seconds()):
                        return await attempt()
            except TimeoutError as error:
                reason = str(error) or f"it took longer than {self._within.total_seconds():g} s"
                self._say(names(), f"TimeoutError: {reason}")
            except BaseException as error:
                if trying is not None and trying.cancelling():
                    raise
                self._say(names(), explain(error))
            failures += 1
            wait = self._backoff.ceiling(failures) / 2 + self._backoff.wait(failures) / 2
            try:
                async with asyncio.timeout(wait.total_seconds()):
                    await self._closing.wait()
            except TimeoutError:
                continue
        return None

    def _say(self, names: list[str], reason: str) -> None:
        for name in names:
            self._is_unavailable(name, reason)
