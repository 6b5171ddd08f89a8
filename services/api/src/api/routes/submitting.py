"""POST /jobs on bare ASGI: the one path where every microsecond is felt."""

from api.answers import read_json_body, send_json
from api.settings import OWNER
from api.submission import Submissions
from service_chassis.server import Receive, Scope, Send


class PostJobs:
    """Takes a submission, answers 202 with the job, or 200 with the one an earlier request made."""

    def __init__(self, *, submissions: Submissions, body_limit: int) -> None:
        self._submissions = submissions
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, accept, answer."""
        raw = await read_json_body(scope, receive, limit=self._body_limit)
        key = traceparent = None
        for name, value in scope["headers"]:
            if name == b"idempotency-key":
                key = value.decode("latin-1")
            elif name == b"traceparent":
                traceparent = value.decode("latin-1")[:64]
        accepted = await self._submissions.accept(raw, owner=OWNER, key=key, traceparent=traceparent)
        location = (b"location", f"/jobs/{accepted.job_id}".encode())
        await send_json(send, 202 if accepted.is_new else 200, accepted.view, location)
