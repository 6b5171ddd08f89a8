"""Runs a service that runs foreign code: an exit of somebody else's does not end its event loop.

asyncio raises `SystemExit` and `KeyboardInterrupt` of any task or callback out of the loop, and with it everything
else ends that runs there. SIGTERM and SIGINT never come that way: `Service` handles them itself.
"""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final

log = logging.getLogger(__name__)

_TO_END: Final = timedelta(seconds=1)
"""What is left when the service has ended has this long to end as well."""


def run_on(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end, whatever else that runs on the loop raises; what it raises itself is raised."""
    asyncio.set_event_loop(loop)
    try:
        _until_done(loop, loop.create_task(main, name="main"))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            # One that will not be cancelled does not keep the process.
            waiting = asyncio.wait(left, timeout=_TO_END.total_seconds())
            _until_done(loop, loop.create_task(waiting))
        asyncio.set_event_loop(None)
        loop.close()


def _until_done(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    while not task.done():
        try:
            loop.run_until_complete(task)
        except BaseException:
            if task.done() or loop.is_closed():
                raise
            log.exception("loop.exit_refused")
