"""The sample job of `make up`, against an api that is a script."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from jobstream_local import sample

Api = Callable[..., str]


def event(name: str, **data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


@pytest.fixture
def api() -> Iterator[Api]:
    servers: list[ThreadingHTTPServer] = []

    def start(events: str = "", post: int = 202) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self._answer(post, {"id": "j1", "state": "pending", "version": 1})

            def do_GET(self) -> None:
                if self.path == "/jobs/j1/events":
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(events.encode())
                else:
                    self._answer(200, {"provider": "sample", "images": [{"width": 8, "height": 6}]})

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_each_state_is_told_once_and_then_the_result(api: Api) -> None:
    told: list[str] = []
    states = [event("job", id="j1", state=s, version=v) for v, s in enumerate(["pending", "running"], 1)]
    last = event("job", id="j1", state="succeeded", version=3)
    sample.run(api("retry: 1000\n\n" + states[0] + states[1] + states[1] + last + event("end")), told.append)
    assert [line.split()[-1] for line in told[1:-1]] == ["pending", "running", "succeeded"]
    assert "→ 202, job j1" in told[0]
    assert "1 pictures from provider `sample` (8x6)" in told[-1]


def test_a_stream_that_breaks_off_is_an_error(api: Api) -> None:
    with pytest.raises(sample.SampleError, match="closed before the end"):
        sample.run(api(event("job", state="running", version=2)), lambda _: None)


def test_a_failed_job_is_an_error_that_tells_why(api: Api) -> None:
    events = event("job", state="failed", version=3, error={"message": "no paint"}) + event("end")
    with pytest.raises(sample.SampleError, match=r"ended as failed: .*no paint"):
        sample.run(api(events), lambda _: None)


def test_an_api_that_asks_for_a_key_gets_no_sample_job(api: Api) -> None:
    told: list[str] = []
    sample.run(api(post=401), told.append)
    assert told == ["no sample job: the api asks for a key"]


def test_a_refusal_is_an_error(api: Api) -> None:
    with pytest.raises(sample.SampleError, match="POST /jobs answered 503"):
        sample.run(api(post=503), lambda _: None)
