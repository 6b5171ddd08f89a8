"""Somebody at a terminal who starts and ends the product by its verbs, on ports and in a folder of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobstream_local.ports import free_port


class Person:
    """Somebody at a terminal."""

    def __init__(self, home: Path) -> None:
        self.home = home
        ports = {f"{name}_PORT": str(free_port()) for name in ("API", "WEB", "KAFKA", "MONGO")}
        own = ("KAFKA__", "MONGO__", "DETACH", "SERVICE")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(own)}
        # A proxy that nobody answers at, a terminal that shows little, a locale that is not installed.
        harsh = {
            "http_proxy": "http://127.0.0.1:1",
            "PYTHONIOENCODING": "latin-1",
            "LC_ALL": "xx_XX.ISO-8859-1",
        }
        self.env = {**inherited, **ports, **harsh, "JOBSTREAM_HOME": str(home)}

    def start(self, verb: str, **settings: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "jobstream_local", verb],
            env={**self.env, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def run(self, verb: str, **settings: str) -> tuple[int, str]:
        process = self.start(verb, **settings)
        told, _ = process.communicate(timeout=150)
        return process.returncode, told

    def processes(self) -> list[psutil.Process]:
        """Every process that has to do with this home."""
        return [p for p in psutil.process_iter() if p.pid != os.getpid() and self._belongs(p)]

    def _belongs(self, process: psutil.Process) -> bool:
        try:
            return process.cwd().startswith(str(self.home)) or process.environ().get("JOBSTREAM_HOME") == str(
                self.home
            )
        except psutil.Error:
            return False


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    """A person whose product is ended with the test."""
    person = Person(tmp_path / "hömé a,b #1")
    yield person
    person.run("down")
