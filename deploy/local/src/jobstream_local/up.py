"""`make up`: everything, in the foreground or detached, until it is told to end."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jobstream_local import packages, page, sample, troubles
from jobstream_local.options import Options
from jobstream_local.part import NotReadyError
from jobstream_local.ports import PortInUseError
from jobstream_local.process import die_with
from jobstream_local.stack import Stack
from jobstream_local.state import Home, PartState, State

Failure = (packages.PackageError, page.PageError, NotReadyError, PortInUseError, sample.SampleError)


def say(line: str) -> None:
    """Tell the person who waits."""
    print(f"· {line}", flush=True)


def up(options: Options, *, tied: bool) -> int:
    """Run the stack until SIGINT or SIGTERM; the exit code.

    Parameters
    ----------
    tied
        End when the parent process ends, however it ends: `make` was killed, the terminal closed.
    """
    if tied:
        die_with(os.getppid(), signal.SIGTERM)
    home = Home(options.home)
    with home.own(patience=2):
        try:
            return asyncio.run(_Launcher(options, home).run())
        finally:
            home.forget()


class _Launcher:
    def __init__(self, options: Options, home: Home) -> None:
        self._options = options
        self._home = home
        self._stack = Stack(
            options.home,
            ports=options.ports,
            replicas=options.replicas,
            env={"LOG__FORMAT": os.environ.get("LOG__FORMAT", "text")},
            bootstrap_servers=options.bootstrap_servers,
            mongo_uri=options.mongo_uri,
            page=page.dist() if (page.FRONTEND / "package.json").exists() else None,
            say=say,
        )
        self._told = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Start, wait, end."""
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(sig, self._on_signal)
        self._work = asyncio.create_task(self._start())
        try:
            await self._work
            await self._keep()
        except asyncio.CancelledError:
            say("interrupted")
        except Failure as error:
            print(f"\n{error}\n", file=sys.stderr, flush=True)
            return 1
        finally:
            await self._end()
        return 0

    def _on_signal(self) -> None:
        if self._told.is_set():
            self._stack.kill_all()
            page.abort()
            os._exit(130)
        self._told.set()
        if self._work:
            self._work.cancel()

    async def _start(self) -> None:
        began = time.monotonic()
        stack = self._stack
        self._write("starting")
        stack.check_ports()
        if not self._options.bootstrap_servers and not packages.has_kafka():
            say(f"fetching Kafka {packages.KAFKA_VERSION} (46 jars, the first time only)")
        building = asyncio.create_task(asyncio.to_thread(self._build)) if stack.web_url else None
        await stack.up_servers()
        await stack.set_up()
        await stack.up_services()
        if building:
            await building
        await stack.up_web()
        stack.supervise = True
        self._write("up")
        say(f"all is ready after {time.monotonic() - began:.1f} s")
        workers = [part.probe for part in stack.of("job-worker")]
        without_sample = await asyncio.to_thread(troubles.tell, workers, say)
        if stack.api_urls and workers and stack.of("result-worker") and not without_sample:
            await asyncio.to_thread(sample.run, stack.api_url, say)
        self._addresses(print)

    def _build(self) -> None:
        if page.is_built():
            return
        began = time.monotonic()
        say("building the page (its sources are new)")
        try:
            page.build(self._home.path / "logs/page.log")
            say(f"page built ({time.monotonic() - began:.1f} s)")
        except page.PageError as error:
            say(f"without a page: {error}")

    def _addresses(self, write: Callable[[str], None]) -> None:
        stack = self._stack
        rows = {
            "page": stack.web_url,
            "api": "  ".join(url.replace("127.0.0.1", "localhost") for url in stack.api_urls),
            "docs": f"{stack.api_urls[0].replace('127.0.0.1', 'localhost')}/docs" if stack.api_urls else "",
            "kafka": stack.bootstrap_servers,
            "mongodb": stack.mongo_uri.rsplit("@", 1)[-1],
            "logs": str(self._home.path / "logs"),
        }
        write("")
        for name, address in rows.items():
            if address:
                write(f"  {name:8} {address}")
        write("\n  Ctrl-C ends it; from elsewhere: make status, make logs SERVICE=api, make down")
        sys.stdout.flush()

    async def _keep(self) -> None:
        while not self._told.is_set():
            self._write("up")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1)

    async def _end(self) -> None:
        began = time.monotonic()
        self._told.set()
        self._write("stopping")
        page.abort()
        say("stopping")
        await self._stack.down()
        say(f"all is down ({time.monotonic() - began:.1f} s)")

    def _write(self, phase: str) -> None:
        stack = self._stack
        parts = [
            PartState(p.name, p.process.pid, p.ports, p.probe, max(0, p.process.starts - 1))
            for p in stack.parts.values()
        ]
        api_url = stack.api_urls[0] if stack.api_urls else ""
        self._home.write(State(os.getpid(), phase, api_url, stack.web_url, parts))


def detach(options: Options) -> int:
    """Start the launcher in the background, show what it says until all is up, and leave it.

    It writes to `logs/launcher.log`. Returns 1 when it ended instead.
    """
    home = Home(options.home)
    log = home.path / "logs/launcher.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "jobstream_local", "up"],
            env={**os.environ, "DETACH": ""},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with log.open(errors="replace") as text:
            while child.poll() is None and not _shown(text.read()):
                time.sleep(0.1)
            _shown(text.read())
    except KeyboardInterrupt:
        child.terminate()
        return child.wait() or 130
    return child.poll() or 0


def _shown(text: str) -> bool:
    """Print it; whether the last line of the start was in it."""
    print(text, end="", flush=True)
    return "make down\n" in text


def down(folder: Path, *, within: float = 60) -> int:
    """End the launcher of a home and wait until it is gone."""
    home = Home(folder)
    if not home.owned():
        say("nothing runs")
        home.forget()
        return 0
    began = time.monotonic()
    while home.owned():
        state = home.read()
        if state and time.monotonic() - began > within:
            os.kill(state.pid, signal.SIGKILL)
        elif state and state.phase != "stopping":
            with contextlib.suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGTERM)
        deadline = time.monotonic() + 3
        while home.owned() and time.monotonic() < deadline:
            time.sleep(0.1)
    say(f"all is down ({time.monotonic() - began:.1f} s)")
    return 0
