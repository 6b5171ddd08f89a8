"""The healthcheck of the images, against a server that answers as an ops port does."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from service_chassis import probe


class _Ops(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.end_headers()
        self.wfile.write(b'{"status":"not ready"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def ops(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Ops]]:
    class Ops(_Ops):
        pass

    server = HTTPServer(("127.0.0.1", 0), Ops)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("OPS__PORT", str(server.server_port))
    yield Ops
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_ready_service_is_healthy(ops: type[_Ops]) -> None:
    assert probe.main() == 0


def test_a_service_that_is_not_ready_is_unhealthy_and_says_why(
    ops: type[_Ops], capsys: pytest.CaptureFixture[str]
) -> None:
    ops.status = 503
    assert probe.main() == 1
    assert "not ready" in capsys.readouterr().err


def test_a_service_that_does_not_listen_is_unhealthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPS__PORT", "1")
    assert probe.main() == 1
    assert "no answer" in capsys.readouterr().err
