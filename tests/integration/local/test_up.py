"""`make up` and its companions as a person uses them, on ports and in a folder of their own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jobstream_local.ports import free_port

_ONLY_SERVERS = {"API_REPLICAS": "0", "JOB_WORKERS": "0", "RESULT_WORKERS": "0", "DLQ_WORKERS": "0"}

pytestmark = pytest.mark.timeout(180)


class Person:
    """Somebody at a terminal."""

    def __init__(self, home: Path) -> None:
        self.home = home
        ports = {f"{name}_PORT": str(free_port()) for name in ("API", "WEB", "KAFKA", "MONGO")}
        own = ("KAFKA__", "MONGO__", "DETACH", "SERVICE")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(own)}
        self.env = {**inherited, **ports, "JOBSTREAM_HOME": str(home)}

    def start(self, verb: str, **settings: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "jobstream_local", verb],
            env={**self.env, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
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
    person = Person(tmp_path / "home")
    yield person
    person.run("down")


def until(condition: Callable[[], bool], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    told = ""
    assert process.stdout
    while text not in told:
        line = process.stdout.readline()
        assert line, f"it ended:\n{told}"
        told += line
    return told


def test_detached_it_shows_the_sample_job_and_leaves_everything_running_until_down(person: Person) -> None:
    code, told = person.run("up", DETACH="1", API_REPLICAS="2", JOB_WORKERS="2")
    assert code == 0, told
    assert re.search(r"v1  pending\n.*v3  succeeded\n.*pictures from provider `sample`", told, re.DOTALL)
    assert all(f":{person.env[f'{name}_PORT']}" in told for name in ("API", "KAFKA", "MONGO"))

    code, table = person.run("status")
    assert code == 0, table
    rows = {line.split()[0]: line.split()[1] for line in table.splitlines()[3:]}
    services = {"api-1", "api-2", "job-worker-1", "job-worker-2", "result-worker-1", "dlq-worker-1"}
    assert rows.keys() >= {"kafka", "mongod"} | services
    assert set(rows.values()) == {"yes"}

    assert person.run("up")[1].startswith("jobstream: it runs already as pid ")
    assert person.run("down")[0] == 0
    assert person.processes() == []
    assert person.run("status") == (1, "nothing runs; `make up` starts it\n")

    code, told = person.run("logs", SERVICE="api")
    assert code == 0
    assert "api-1" in told
    assert "api-2" in told

    assert "kafka, logs, mongod" in person.run("reset")[1]
    assert not list(person.home.glob("mongod"))


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_it_leaves_no_process_behind(person: Person, sig: signal.Signals) -> None:
    launcher = person.start("up", API_REPLICAS="0", JOB_WORKERS="0")
    try:
        read_until(launcher, "make down")
        assert len(person.processes()) >= 5
    finally:
        launcher.send_signal(sig)
        launcher.communicate(timeout=60)
    assert launcher.returncode == (-9 if sig == signal.SIGKILL else 0)
    until(lambda: person.processes() == [])


def test_interrupted_in_the_middle_of_its_start_it_leaves_no_process_behind(person: Person) -> None:
    launcher = person.start("up")
    read_until(launcher, "mongod ready")
    launcher.send_signal(signal.SIGINT)
    launcher.communicate(timeout=60)
    assert person.processes() == []


def test_a_port_in_use_is_one_clear_line(person: Person, tmp_path: Path) -> None:
    other = Person(tmp_path / "other")
    launcher = other.start("up", **_ONLY_SERVERS)
    try:
        read_until(launcher, "make down")
        taken = other.env["MONGO_PORT"]
        code, told = person.run("up", MONGO_PORT=taken)
    finally:
        launcher.send_signal(signal.SIGINT)
        launcher.communicate(timeout=60)
    assert code == 1
    assert f"port {taken} is in use, and mongod needs it: choose another with MONGO_PORT=" in told


def test_servers_that_run_elsewhere_are_used_and_none_is_started(person: Person, tmp_path: Path) -> None:
    other = Person(tmp_path / "other")
    launcher = other.start("up", **_ONLY_SERVERS)
    try:
        read_until(launcher, "make down")
        servers = {
            "KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{other.env['KAFKA_PORT']}",
            "MONGO__URI": f"mongodb://127.0.0.1:{other.env['MONGO_PORT']}/?replicaSet=rs0",
        }
        code, told = person.run("up", DETACH="1", **servers)
        _, table = person.run("status", **servers)
        person.run("down")
    finally:
        launcher.send_signal(signal.SIGINT)
        launcher.communicate(timeout=60)
    assert code == 0, told
    assert "succeeded" in told
    assert not re.search("^(kafka|mongod)", table, re.MULTILINE)
