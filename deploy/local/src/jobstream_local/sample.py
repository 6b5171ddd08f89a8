"""The first thing a person sees: one sample job, from submission to result, as it happens."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx

JOB: Final = {"task": "image.search", "payload": {"query": "northern lights", "count": 3}}


class SampleError(RuntimeError):
    """The sample job did not come to its end."""


def run(
    api_url: str, say: Callable[[str], None], *, within: float = 60, headers: dict[str, str] | None = None
) -> None:
    """Submit an `image.search`, say each state as it arrives over server-sent events, then the result in short.

    Raises
    ------
    SampleError
        It was refused, or had no final state in time.
    """
    timeout = httpx.Timeout(10, read=within)
    try:
        with httpx.Client(base_url=api_url, timeout=timeout, trust_env=False, headers=headers) as client:
            began = time.monotonic()
            answer = client.post("/jobs", json=JOB)
            if answer.status_code in {401, 403}:
                say("no sample job: the api asks for a key")
                return
            if answer.status_code != 202:
                msg = f"POST /jobs answered {answer.status_code}: {answer.text[:300]}"
                raise SampleError(msg)
            job = answer.json()
            say(f"POST /jobs {json.dumps(JOB)} → 202, job {job['id']}")
            for view in itertools.chain([job], _views(client, job["id"], since=job["version"])):
                job = view
                say(f"  {time.monotonic() - began:5.2f} s  v{job['version']}  {job['state']}")
            result = client.get(f"/jobs/{job['id']}/result").json() if job["state"] == "succeeded" else None
    except (httpx.HTTPError, ValueError, KeyError) as error:
        msg = f"the sample job broke off: {type(error).__name__} {error}"
        raise SampleError(msg) from error
    if result is None:
        msg = f"the sample job ended as {job['state']}: {job.get('error')}"
        raise SampleError(msg)
    say(f"  {_summary(result)}")


def _views(client: httpx.Client, job_id: str, *, since: int) -> Iterator[dict[str, Any]]:
    """Each newer version of the job, until the stream says `end`."""
    with client.stream("GET", f"/jobs/{job_id}/events", headers={"accept": "text/event-stream"}) as stream:
        stream.raise_for_status()
        event, data = "", ""
        for line in stream.iter_lines():
            if line.startswith("event:"):
                event = line[6:].strip()
            elif line.startswith("data:"):
                data += line[5:].strip()
            elif not line:
                if event == "end":
                    return
                if event == "job":
                    view: dict[str, Any] = json.loads(data)
                    if view["version"] > since:
                        since = view["version"]
                        yield view
                event, data = "", ""
    msg = "the stream closed before the end"
    raise SampleError(msg)


def _summary(result: dict[str, Any]) -> str:
    images = result.get("images", [])
    sizes = ", ".join(f"{i.get('width')}x{i.get('height')}" for i in images[:3])
    return f"{len(images)} pictures from provider `{result.get('provider')}` ({sizes})"
