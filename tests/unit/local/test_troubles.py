"""What `make up` says of tasks that cannot be run."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jobstream_local import troubles


@pytest.fixture
def probe() -> Iterator[tuple[str, dict[str, object]]]:
    status: dict[str, object] = {"ok": True, "reason": "5 can be run"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"checks": {"tasks": status}}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/readyz", status
    server.shutdown()


@pytest.mark.parametrize(
    ("name", "without_sample"), [("greet", False), ("image.search", True), ("image-search", True)]
)
def test_what_cannot_be_run_is_said_once_and_the_sample_left_out_if_it_is_that(
    probe: tuple[str, dict[str, object]], name: str, without_sample: bool
) -> None:
    url, status = probe
    status |= {"ok": False, "reason": f"{name}: ValueError: no key"}
    said: list[str] = []
    assert troubles.tell([url, url], said.append) == without_sample
    assert said == [f"task unavailable, and tried again: {name}: ValueError: no key"]


def test_where_all_is_well_nothing_is_said(probe: tuple[str, dict[str, object]]) -> None:
    said: list[str] = []
    assert not troubles.tell([probe[0]], said.append)
    assert said == []
