"""`make up` and its companions as a person uses them, on ports and in a folder of their own."""

import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.person import Person

_ONLY_SERVERS = {"API_REPLICAS": "0", "JOB_WORKERS": "0", "RESULT_WORKERS": "0", "DLQ_WORKERS": "0"}

pytestmark = pytest.mark.timeout(180)


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
