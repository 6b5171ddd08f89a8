"""Whether an upstream is left alone: pure decisions on the state that all workers share.

Closed: everybody calls. When of the last calls too many have failed, it opens: nobody calls.
After a while one call, the probe, tries whether the upstream is well again; if it fails, the
next one comes twice as late.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

_REMEMBERED: Final = 20
_PROBED_SOON: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What an upstream is allowed.

    Attributes
    ----------
    failures, within
        It opens when that many calls have failed within that time, and at least as many as went well.
    probe_after, cap
        When the first probe comes after it, and the longest wait between two of them.
    probe_for
        A probe that has not ended by then has died with its worker.
    """

    failures: int = 5
    within: timedelta = timedelta(minutes=1)
    probe_after: timedelta = timedelta(seconds=10)
    cap: timedelta = timedelta(minutes=5)
    probe_for: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class End:
    """How a call ended."""

    at: datetime
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Since when nobody calls, why, and when the next probe does."""

    since: datetime
    reason: str
    wait: timedelta
    probe_at: datetime
    probe: str | None = None
    """Names the probe under way."""
    probe_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Circuit:
    """The state; every change gives a new one."""

    ends: tuple[End, ...] = field(default=())
    opened: Opened | None = None

    def enter(self, token: str, *, now: datetime, patience: Patience) -> "tuple[Circuit, timedelta | None]":
        """Let a call pass (None), as the probe if there must be one, or say how long there will be none."""
        opened = self.opened
        if opened is None:
            return self, None
        if opened.probe is not None and opened.probe_until is not None and now < opened.probe_until:
            return self, _PROBED_SOON
        if now < opened.probe_at:
            return self, opened.probe_at - now
        probing = replace(opened, probe=token, probe_until=now + patience.probe_for)
        return replace(self, opened=probing), None

    def leave(self, token: str) -> "Circuit":
        """Note that a call was not made after all, or has proved nothing: the next one is the probe."""
        if self.opened is None or self.opened.probe != token:
            return self
        return replace(self, opened=replace(self.opened, probe=None, probe_until=None))

    def succeeded(self, token: str, *, now: datetime, patience: Patience) -> "Circuit":
        """Note that the upstream has answered; a probe closes the circuit."""
        if self.opened is not None:
            return Circuit() if self.opened.probe == token else self
        recent = tuple(end for end in self.ends if end.at > now - patience.within)
        if all(end.ok for end in recent):
            return Circuit()
        return Circuit((*recent, End(now, ok=True))[-_REMEMBERED:])

    def failed(self, token: str, reason: str, *, now: datetime, patience: Patience) -> "Circuit":
        """Note that a call has failed as another may not."""
        if (opened := self.opened) is not None:
            if opened.probe != token:
                return self
            wait = min(2 * opened.wait, patience.cap)
            return replace(
                self,
                opened=replace(
                    opened, reason=reason, wait=wait, probe_at=now + wait, probe=None, probe_until=None
                ),
            )
        ends = (*self.ends, End(now, ok=False))[-_REMEMBERED:]
        recent = [end for end in ends if end.at > now - patience.within]
        bad = sum(not end.ok for end in recent)
        if bad < patience.failures or 2 * bad < len(recent):
            return replace(self, ends=ends)
        wait = patience.probe_after
        return Circuit((), Opened(since=now, reason=reason, wait=wait, probe_at=now + wait))

    @property
    def doubtful(self) -> bool:
        """Whether a call has failed lately, so that it matters which go well."""
        return bool(self.ends)
