"""POST /jobs on bare ASGI: the one path where every microsecond is felt."""

from api.answers import idempotency_key, read_json_body, send_json
from api.settings import OWNER
from api.submission import Accepted, Submissions
from api.waiting import Waiting, applied, wait_of
from service_chassis.server import Receive, Scope, Send


class PostJobs:
    """Takes a submission, answers 202 with the job, or 200 with the one an earlier request made.

    Who prefers to wait gets 200 and the job when it has ended in time.
    """

    def __init__(self, *, submissions: Submissions, waiting: Waiting, body_limit: int) -> None:
        self._submissions = submissions
        self._waiting = waiting
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, accept, answer."""
        raw = await read_json_body(scope, receive, limit=self._body_limit)
        traceparent = None
        preferences = []
        for name, value in scope["headers"]:
            if name == b"traceparent":
                traceparent = value.decode("latin-1")[:64]
            elif name == b"prefer":
                preferences.append(value.decode("latin-1"))
        accepted = await self._submissions.accept(
            raw, owner=OWNER, key=idempotency_key(scope), traceparent=traceparent
        )
        if preferences and (seconds := wait_of(preferences)):
            await self._answer_later(accepted, seconds, scope, receive, send)
        else:
            await send_json(send, _status(accepted), accepted.view, _location(accepted))

    async def _answer_later(
        self, accepted: Accepted, seconds: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        job_id = accepted.job_id
        async with self._waiting.watching(job_id, seconds, scope, receive) as mailbox:
            if mailbox is None:
                await send_json(send, _status(accepted), accepted.view, _location(accepted))
                return
            newest = await self._waiting.end_of(job_id, mailbox, owner=OWNER, seconds=seconds)
        status = 200 if newest is not None and newest.is_final else _status(accepted)
        name, value = applied(seconds)
        headers = _location(accepted), (name.encode(), value.encode())
        await send_json(send, status, newest.data if newest is not None else accepted.view, *headers)


def _status(accepted: Accepted) -> int:
    return 202 if accepted.is_new else 200


def _location(accepted: Accepted) -> tuple[bytes, bytes]:
    return b"location", f"/jobs/{accepted.job_id}".encode()
