"""Proxies that outlive a test's event loop: they run in a thread of their own and are told what to do from anywhere."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self

from tests.support.proxy import Proxy


class Hops:
    """A thread with an event loop, and the proxies in it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hops", daemon=True)
        self._hops: list[Hop] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for hop in self._hops:
                self.run(hop.proxy.__aexit__(None, None, None))
        finally:
            # A test that failed has left its connections open: whoever serves them must not outlive the loop.
            self.run(_end_the_rest())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run it in the hops' loop and wait."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def open(self, target: int, *, port: int | None = None) -> "Hop":
        """Put a proxy before a port."""
        hop = Hop(self, Proxy(target, port=port))
        self.run(hop.proxy.__aenter__())
        self._hops.append(hop)
        return hop

    def heal(self) -> None:
        """Let all of them pass everything on."""
        for hop in self._hops:
            hop.heal()


async def _end_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=10)


class Hop:
    """One proxy, by the verbs of `Proxy`."""

    def __init__(self, hops: Hops, proxy: Proxy) -> None:
        self._hops, self.proxy = hops, proxy

    @property
    def port(self) -> int:
        return self.proxy.port

    def tell(self, verb: str, *args: Any, **options: Any) -> None:
        """Have the proxy do something, such as `tell("delay", 0.5, 0.3)`."""

        async def do() -> None:
            done = getattr(self.proxy, verb)(*args, **options)
            if asyncio.iscoroutine(done):
                await done

        self._hops.run(do())

    def cut(self) -> None:
        self.tell("cut")

    def refuse(self) -> None:
        self.tell("refuse")

    def silence(self) -> None:
        self.tell("silence")

    def delay(self, mean: float, jitter: float = 0.0) -> None:
        self.tell("delay", mean, jitter)

    def throttle(self, bytes_per_s: int) -> None:
        self.tell("throttle", bytes_per_s)

    def cut_answers(self, after_bytes: int = 0) -> None:
        self.tell("cut_answers", after_bytes)

    def reset_every(self, seconds: float) -> None:
        self.tell("reset_every", seconds)

    def heal(self) -> None:
        self.tell("heal")
