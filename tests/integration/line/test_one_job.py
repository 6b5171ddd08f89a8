"""One job from POST to its end, through the four services and back over server-sent events."""

from tests.support.api import Api
from tests.support.product import Product


async def test_a_job_goes_through_all_four_services_and_its_stream_ends(product: Product, api: Api) -> None:
    job = await api.submit("sleep", {"seconds": 0.5})
    async with product.events(f"/jobs/{job}/events") as events:
        await events.ended(within=20)
    assert events.content_type.startswith("text/event-stream")
    assert events.states(job)[-2:] == ["running", "succeeded"]
    assert events.moments(job) == sorted(set(events.moments(job))), "versions rise"
    assert events.moments(job)[-1][0] == 3
    assert events.frames[-1].event == "end"
    assert (await api.get(f"/jobs/{job}/result")).json() == {"slept": 0.5}
    # The first job of this api, whose only answer of MongoDB so far was that to its first, slow question.
    view = (await api.get(f"/jobs/{job}")).json()
    assert view["created_at"] <= view["started_at"] <= view["finished_at"]


async def test_a_delayed_job_is_seen_waiting_pending_running_and_succeeded(
    product: Product, api: Api
) -> None:
    answer = await api.post({"task": "sleep", "payload": {"seconds": 0.6}, "delay": 2})
    assert answer.status_code == 202
    accepted = answer.json()
    assert (accepted["state"], accepted["reason"]) == ("waiting", "scheduled")
    assert answer.headers["location"] == f"/jobs/{accepted['id']}"
    async with product.events(f"/jobs/{accepted['id']}/events") as events:
        await events.ended(within=30)
    seen = [(f.data["state"], f.data["version"]) for f in events.of(accepted["id"])]
    assert seen == [("waiting", 1), ("pending", 2), ("running", 3), ("succeeded", 4)]
    began, ended = events.frames[0].at, events.of(accepted["id"])[1].at
    assert ended - began > 1, "it was not released before its time"
