"""The HTTP API as a test speaks to it: what a client does, and a history of what it was answered."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import uuid4

import httpx

from tests.support.waiting import until

FINAL: Final = frozenset({"succeeded", "failed", "cancelled"})

View = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One POST /jobs, or one job of a POST /jobs/batch, as the client saw it; `status` is None without an answer."""

    key: str | None
    at: float
    seconds: float
    status: int | None
    job: str | None


class Api:
    """A client of one or more api replicas, used in turn; as by a gateway, one that refuses connections is passed over.

    `history` holds every POST /jobs with its answer, and every job that a batch was answered with.
    """

    def __init__(self, *urls: str, timeout: float = 10) -> None:
        self._urls = urls
        self._turn = 0
        # As many connections as there are calls: a call that waits for another's is no slow api.
        many = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        self._client = httpx.AsyncClient(timeout=timeout, limits=many, trust_env=False)
        self.history: list[Post] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the next replica that takes connections."""
        self._turn += 1
        # Its own order: calls that run meanwhile have their turns, and each must come past every replica.
        first = self._turn % len(self._urls)
        *others, last = *self._urls[first:], *self._urls[:first]
        if others:
            # And once more: to a slow caller the second may be gone by when the first is back.
            others += [last, *others]
        for url in others:
            with contextlib.suppress(httpx.ConnectError):
                return await self._client.request(method, f"{url}{path}", **options)
        return await self._client.request(method, f"{last}{path}", **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.call("GET", path, **options)

    async def post(
        self, body: Mapping[str, Any] | bytes, *, key: str | None = None, **headers: str
    ) -> httpx.Response:
        """POST /jobs, whatever comes of it; an error of the connection is raised."""
        sent = {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if key is not None:
            sent["idempotency-key"] = key
        content = {"content": body} if isinstance(body, bytes) else {"json": dict(body)}
        at, status, job = time.monotonic(), None, None
        try:
            answer = await self.call("POST", "/jobs", headers=sent, **content)
            status = answer.status_code
            if answer.is_success:
                job = answer.json()["id"]
            return answer
        finally:
            seconds = time.monotonic() - at
            self.history.append(Post(key=key, at=at, seconds=seconds, status=status, job=job))

    async def post_batch(self, body: Mapping[str, Any] | bytes, *, key: str | None = None) -> httpx.Response:
        """POST /jobs/batch, whatever comes of it; an error of the connection is raised."""
        headers = {"content-type": "application/json", **({} if key is None else {"idempotency-key": key})}
        content = {"content": body} if isinstance(body, bytes) else {"json": dict(body)}
        at = time.monotonic()
        answer = await self.call("POST", "/jobs/batch", headers=headers, **content)
        if answer.is_success:
            seconds, status = time.monotonic() - at, answer.status_code
            self.history += [
                Post(key=None, at=at, seconds=seconds, status=status, job=job["id"])
                for job in answer.json()["jobs"]
            ]
        return answer

    async def submit_batch(self, jobs: Sequence[Mapping[str, Any]]) -> list[str]:
        """Submit these jobs in one batch, which must be accepted; return their ids."""
        answer = await self.post_batch({"jobs": list(jobs)})
        assert answer.status_code == 202, answer.text
        return [job["id"] for job in answer.json()["jobs"]]

    async def submit(self, task: str = "noop", payload: Any = None, **fields: Any) -> str:
        """Submit a job that must be accepted at once, and return its id."""
        answer = await self.post({"task": task, "payload": payload or {}, **fields})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def submit_surely(
        self, task: str = "noop", payload: Any = None, *, within: float = 60, **fields: Any
    ) -> str:
        """Repeat with one Idempotency-Key, as a careful client does, until the job is accepted."""
        key, deadline = str(uuid4()), time.monotonic() + within
        while True:
            try:
                answer = await self.post({"task": task, "payload": payload or {}, **fields}, key=key)
                if answer.is_success:
                    return str(answer.json()["id"])
                assert answer.status_code == 503, answer.text
                assert time.monotonic() < deadline, answer.text
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.1)

    async def view(self, job: str) -> View:
        answer = await self.get(f"/jobs/{job}")
        assert answer.status_code == 200, answer.text
        view: View = answer.json()
        return view

    async def reach(self, job: str, *states: str, within: float = 20) -> View:
        """Wait until the job is in one of these states."""
        seen = ""

        async def there() -> View:
            nonlocal seen
            view = await self.view(job)
            seen = f"{view['state']} v{view['version']}, attempt {view['attempt']}, error {view['error']}"
            assert view["state"] in states, f"it is {seen}"
            return view

        return await until(there, within=within, what=f"job {job} to be {' or '.join(states)}")

    async def finish(self, job: str, *, within: float = 20) -> View:
        """Wait until the job has ended."""
        return await self.reach(job, *FINAL, within=within)

    async def cancel(self, job: str) -> httpx.Response:
        return await self.call("POST", f"/jobs/{job}/cancel")

    async def redrive(self, job: str, **body: Any) -> httpx.Response:
        return await self.call("POST", f"/jobs/{job}/redrive", json=body or None)

    async def patch(self, job: str, **changes: Any) -> httpx.Response:
        """Give a waiting job another `run_at` or `priority`."""
        return await self.call("PATCH", f"/jobs/{job}", json=changes)

    async def cancel_many(self, *, dry_run: bool = False, **filters: Any) -> httpx.Response:
        """Stop all live jobs that pass the filters `state`, `task`, `tag`, `batch`."""
        return await self.call("POST", "/jobs/cancel", json={"filter": filters, "dry_run": dry_run})

    async def redrive_many(
        self, *, rate_per_second: float | None = None, dry_run: bool = False, **filters: Any
    ) -> httpx.Response:
        """Start the jobs of all letters anew that pass `kind`, `task`, `error_type`, `after`, `before`."""
        rate = {} if rate_per_second is None else {"rate_per_second": rate_per_second}
        body = {"filter": filters, "dry_run": dry_run, **rate}
        return await self.call("POST", "/dead-letters/redrive", json=body)

    async def pause(self, task: str, **body: Any) -> View:
        answer = await self.call("POST", f"/tasks/{task}/pause", json=body or None)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def resume(self, task: str) -> View:
        answer = await self.call("POST", f"/tasks/{task}/resume")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def logs(self, job: str) -> list[dict[str, Any]]:
        answer = await self.get(f"/jobs/{job}/logs")
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    async def attempts(self, job: str) -> list[dict[str, Any]]:
        answer = await self.get(f"/jobs/{job}/attempts")
        assert answer.status_code == 200, answer.text
        history = answer.json()
        return list(history["attempts"] if isinstance(history, dict) else history)

    async def listed(self, **query: Any) -> list[View]:
        """Return every job of a list, page by page."""
        jobs: list[View] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await self.get("/jobs", params={"limit": 200, **query, **cursor})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            jobs += page["jobs"]
            if page["next_cursor"] is None:
                return jobs
            cursor = {"cursor": page["next_cursor"]}
