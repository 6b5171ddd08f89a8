"""The breaker of each host that jobs name: one that is down is left alone for a while, and no other with it."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

from job_worker.outbound import Target
from job_worker.tasks.errors import JobsOwnTrouble, RateLimited, TaskError
from job_worker.upstream.calls import MONGO_AWAY, Upstream
from job_worker.upstream.upstreams import Upstreams

T = TypeVar("T")

MAX_HOSTS: Final = 1_000
"""Hosts a worker knows of; the one it has not called for longest is forgotten, and what is stored of it lapses."""

LONGEST: Final = timedelta(minutes=5)
"""Of a call, until a probe counts as lost."""

PATIENT: Final = 10.0
"""Seconds: that a host has not answered within less says more about the job than about the host."""

_TO_TELL: Final = 0.25
"""Seconds after the call in which it is told how the host was: an attempt has no more to spare."""


class HostDown(JobsOwnTrouble):
    """What a call says of its host: it does not answer, or says itself that it cannot now."""


class Hosts:
    """Makes calls to hosts that are not left alone."""

    def __init__(self, upstreams: Upstreams, *, task: str) -> None:
        self._upstreams, self._task = upstreams, task
        self._known: OrderedDict[str, Upstream] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    async def call(
        self,
        target: Target,
        *,
        job: str,
        owner: str,
        until: float,
        ask: Callable[[], Awaitable[T]],
        is_down: Callable[[T | TaskError], bool],
    ) -> T:
        """Return what `ask` does, if the host is not left alone.

        A call that fails consumes an attempt as it always does; a job that must not call waits and consumes none.

        Raises
        ------
        RateLimited
            The host is down: says when one call tries it again.
        TimeoutError
            There was no answer at the time `until` of the loop.
        """
        loop = asyncio.get_running_loop()
        began, asked = loop.time(), False
        outcome: T | None = None
        error: TaskError | TimeoutError | None = None
        try:
            async with (
                asyncio.timeout_at(until + _TO_TELL),
                self._upstream(target).call(job=job, owner=owner, reserve=False),
            ):
                asked = True
                try:
                    async with asyncio.timeout_at(until):
                        outcome = await ask()
                except (TaskError, TimeoutError) as raised:
                    error = raised
                if isinstance(error, TimeoutError) and until - began < PATIENT:
                    raise RateLimited("it proves nothing", until=timedelta(0))
                said = outcome if error is None else error
                if isinstance(said, TimeoutError) or (said is not None and is_down(said)):
                    raise HostDown(f"{target.host} does not answer, or says that it cannot")
        except (RateLimited, HostDown, TimeoutError) as raised:
            # What was asked is answered, whatever became of telling it.
            if not asked:
                if isinstance(raised, TimeoutError):
                    raise RateLimited("MongoDB, which keeps the breaker, is away", until=MONGO_AWAY) from None
                raise
        if error is not None:
            raise error
        if outcome is None:
            raise TimeoutError
        return outcome

    def _upstream(self, target: Target) -> Upstream:
        name = f"http:{target.host}:{target.port}"
        if name not in self._known:
            self._known[name] = self._upstreams.open(name, task=self._task, timeout=LONGEST)
            if len(self._known) > MAX_HOSTS:
                self._known.popitem(last=False)
        self._known.move_to_end(name)
        return self._known[name]
