"""Opens upstreams for tasks: what they share stands in MongoDB, what they count in the metrics of this worker."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from job_worker.upstream.account import Account
from job_worker.upstream.answers import Answers, AnswerStore, Keeping
from job_worker.upstream.breaker import Breaker
from job_worker.upstream.calls import Upstream
from job_worker.upstream.circuit import Circuit, Patience
from job_worker.upstream.documents import (
    account_document,
    account_from,
    circuit_document,
    circuit_from,
)
from job_worker.upstream.meters import Meters
from job_worker.upstream.quota import USE_WITHIN, Quota
from job_worker.upstream.shared import Shared, StateStore
from job_worker.upstream.uses import Rate

_TO_TELL = timedelta(seconds=20)
"""What it takes at most, besides the call, until everybody can see the answer."""


class Upstreams:
    """What tasks get to call others with.

    Parameters
    ----------
    states, kept
        Where the state of upstreams and their answers stand.
    patience
        When a breaker opens, and when it tries.
    clock, pause, draw
        Monotonic seconds; waits; gives a number from 0 to 1.
    """

    def __init__(
        self,
        *,
        states: StateStore,
        kept: AnswerStore,
        patience: Patience,
        meters: Meters,
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
        draw: Callable[[], float],
    ) -> None:
        self._states, self._kept, self._patience, self._meters = states, kept, patience, meters
        self._clock, self._pause, self._draw = clock, pause, draw

    def open(
        self,
        name: str,
        *,
        task: str,
        timeout: timedelta,
        rates: Sequence[Rate] = (),
        keys: Sequence[str] = ("",),
    ) -> Upstream:
        """Return an upstream by its name; equal names are the same upstream for all tasks and workers.

        Parameters
        ----------
        name
            Such as `unsplash`, or `http:example.org`: metrics know what stands before the colon.
        task
            Shows it in GET /tasks.
        timeout
            Longest time a call may take: the caller must hold it.
        rates
            How many calls each key allows; none is no quota. The first is the one `told` is about.
        keys
            Names of the keys, not the keys: they are stored and shown in logs.
        """
        circuit: Shared[Circuit] = Shared(
            self._states,
            name=name,
            part="circuit",
            task=task,
            from_document=circuit_from,
            to_document=circuit_document,
            pause=self._pause,
        )
        patience = replace(self._patience, probe_for=timeout + USE_WITHIN + _TO_TELL)
        breaker = Breaker(circuit, patience=patience, clock=self._clock, draw=self._draw)
        quota = None
        if rates:
            account: Shared[Account] = Shared(
                self._states,
                name=name,
                part="quota",
                task=task,
                from_document=lambda document: account_from(document, rates=rates, keys=keys),
                to_document=account_document,
                pause=self._pause,
            )
            quota = Quota(account, timeout=timeout, clock=self._clock)
        return Upstream(name, breaker=breaker, quota=quota, keys=len(keys), meters=self._meters)

    def answers(self, name: str, *, timeout: timedelta, keeping: Keeping) -> Answers:
        """Return the kept answers of an upstream whose calls take at most `timeout`."""
        return Answers(
            self._kept,
            upstream=name,
            keeping=keeping,
            lease=timeout + USE_WITHIN + _TO_TELL,
            meters=self._meters,
            pause=self._pause,
            clock=self._clock,
        )
