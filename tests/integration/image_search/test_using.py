"""The task `image.used`: it calls what Unsplash asks to be called, and nothing else."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from job_worker.tasks import JobsOwnFault, RateLimited, Retry, TaskContext, TaskEnvironment, TaskError
from job_worker.tasks.image_search import UsePayload, UseResult, image_used
from job_worker.upstream.calls import KeyRefused
from service_chassis.mongo import Mongo
from tests.integration.image_search.conftest import NOW, upstreams_on
from tests.support import unsplash as play
from tests.support.unsplash import KEY, Answer, Unsplash

JOB = "01a20ae8-8b65-7681-82d8-8642cc9ec982"

Report = Callable[..., Awaitable[UseResult]]


@pytest.fixture
async def report(unsplash: Unsplash, mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Report]:
    """Runs the task as a worker would."""
    for name in ("jobs", "results"):
        await mongo.collection(name).delete_many({})
    monkeypatch.setenv("UNSPLASH__BASE_URL", unsplash.base_url)
    async with AsyncExitStack() as opened:

        async def run(image: str = "photo0", *, job: str = JOB, key: str = KEY) -> UseResult:
            monkeypatch.setenv("UNSPLASH__ACCESS_KEY", key)
            environment = TaskEnvironment(
                collection=mongo.collection, now=lambda: NOW, upstreams=upstreams_on(mongo.collection)
            )
            assert image_used.resources is not None
            resource = await opened.enter_async_context(image_used.resources(environment))
            context = TaskContext(job_id="job", attempt=1, resource=resource)
            result: UseResult = await image_used.function(UsePayload(job=job, image=image), context)
            return result

        yield run


async def found(mongo: Mongo, *locations: str | None, task: str = "image.search", version: int = 2) -> None:
    """Store a search that has found pictures with these places to report to."""
    images = [{"id": f"photo{n}", "download_location": location} for n, location in enumerate(locations)]
    await mongo.collection("jobs").insert_one({"_id": JOB, "task": task, "version": 3})
    await mongo.collection("results").insert_one(
        {"_id": {"job": JOB, "version": version}, "result": json.dumps({"images": images})}
    )


async def test_a_use_is_reported_where_the_stored_result_says_with_our_key(
    report: Report, unsplash: Unsplash, mongo: Mongo
) -> None:
    await found(mongo, f"{unsplash.base_url}/photos/photo-1/download?ixid=M3w0")
    unsplash.script(lambda handler: handler.answer(200, b'{"url": "https://images.unsplash.com/photo-1"}'))
    assert (await report()).reported
    (request,) = unsplash.requests
    assert (request.path, request.query) == ("/photos/photo-1/download", {"ixid": "M3w0"})
    assert request.headers["authorization"] == f"Client-ID {KEY}"


async def test_a_picture_whose_provider_asks_for_no_report_is_not_reported(
    report: Report, unsplash: Unsplash, mongo: Mongo
) -> None:
    await found(mongo, None)
    assert not (await report()).reported
    assert not unsplash.requests


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://api.unsplash.com.evil.example/photos/1/download",
        "http://127.0.0.1:1/photos/1/download",
        "javascript:alert(1)",
        "//evil.example/",
        "http://[::1/",
        "",
    ],
)
async def test_no_other_place_is_called_even_if_a_stored_result_names_it(
    location: str, report: Report, unsplash: Unsplash, mongo: Mongo
) -> None:
    await found(mongo, location)
    with pytest.raises(JobsOwnFault, match="not Unsplash's"):
        await report()
    assert not unsplash.requests


async def test_results_of_other_tasks_and_stray_ones_are_not_believed(
    report: Report, unsplash: Unsplash, mongo: Mongo
) -> None:
    location = f"{unsplash.base_url}/photos/photo-1/download"
    with pytest.raises(JobsOwnFault, match="no result"):
        await report()
    await found(mongo, location, version=1)
    with pytest.raises(JobsOwnFault, match="no result"):
        await report()
    await mongo.collection("jobs").update_one({"_id": JOB}, {"$set": {"task": "http.request", "version": 2}})
    with pytest.raises(JobsOwnFault, match="no result"):
        await report()
    await mongo.collection("jobs").update_one({"_id": JOB}, {"$set": {"task": "image.search"}})
    with pytest.raises(JobsOwnFault, match="no such picture"):
        await report("photo7")
    assert not unsplash.requests


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (play.quota_used_up(), RateLimited),
        (play.quota_used_up(counted=False), RateLimited),
        (play.quota_used_up(said=False, counted=False), KeyRefused),
        (play.too_many(), RateLimited),
        (play.unauthorized(), KeyRefused),
        (play.status(404, "Couldn't find Photo"), JobsOwnFault),
        (play.status(500, "broken"), Retry),
        (play.redirect("http://127.0.0.1:1/"), Retry),
        (play.reset(), Retry),
    ],
)
async def test_each_bad_answer_has_its_verdict(
    answer: Answer, verdict: type[TaskError], report: Report, unsplash: Unsplash, mongo: Mongo
) -> None:
    await found(mongo, f"{unsplash.base_url}/photos/photo-1/download")
    unsplash.script(answer)
    with pytest.raises(TaskError) as caught:
        await report()
    assert type(caught.value) is verdict
    assert KEY not in str(caught.value)


async def test_without_a_key_nothing_can_be_reported(
    report: Report, unsplash: Unsplash, mongo: Mongo
) -> None:
    await found(mongo, f"{unsplash.base_url}/photos/photo-1/download")
    with pytest.raises(KeyRefused, match="without UNSPLASH__ACCESS_KEY"):
        await report(key="")
