"""What surrounds `make up`: few open files, terminals that show little, proxies for the rest of the world."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from jobstream_local.kafka import Kafka
from jobstream_local.services import answers


@pytest.mark.parametrize("limit", [64, 1_023])
def test_too_few_open_files_are_one_clear_line(limit: int, tmp_path: Path) -> None:
    command = f"ulimit -n {limit}; exec {sys.executable} -m jobstream_local up"
    done = subprocess.run(
        ["bash", "-c", command],
        env={"JOBSTREAM_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"only {limit} files may be open at a time" in done.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8"])
def test_what_a_terminal_cannot_show_ends_nothing(encoding: str, tmp_path: Path) -> None:
    log = tmp_path / "logs/api-1.log"
    log.parent.mkdir()
    log.write_text("→ 😀 ü\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "jobstream_local", "logs"],
        env={"JOBSTREAM_HOME": str(tmp_path), "PYTHONIOENCODING": encoding, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout


def test_a_part_is_asked_directly_whatever_proxy_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert answers(f"http://127.0.0.1:{server.server_port}/")
    thread.join()
    server.server_close()


@pytest.mark.parametrize("folder", ["ü", "a b", "a,b", "日本", "a=b", "a\\b", "a#b%20"])
def test_kafka_is_told_of_no_path_that_java_could_misread(folder: str, tmp_path: Path) -> None:
    home = tmp_path / folder
    kafka = Kafka(home=home, node=1, port=1, voters={1: 2})
    told = [
        *kafka.properties().values(),
        *(word for word in kafka.command() if "=" in word or "server." in word),
    ]
    assert [word for word in told if folder in word or str(tmp_path) in word] == []
