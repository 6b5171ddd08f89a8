"""Everything that can be wrong with a request, as RFC 9457 problems.

* Problem           raised anywhere, answered as application/problem+json
  = a Kind          one of the catalogue below: slug, status, title, what to do
  + detail          what is wrong with this request
  + errors          one entry a field, each with a JSON pointer (RFC 6901)

Nothing here knows HTTP beyond a status and header names, so use cases may raise it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

MEDIA_TYPE: Final = "application/problem+json"

MAX_ERRORS: Final = 20
"""Fields that one problem names. Whoever mends them hears of the next ones."""

MAX_BYTES: Final = 16 * 1024
"""Of one problem as JSON: a refusal must not be longer than what it refuses."""

MAX_TEXT: Final = 300
"""Characters of one text in a problem."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of problem: what all of its kind have in common."""

    slug: str
    status: int
    title: str
    remedy: str


class FieldError(Struct, frozen=True):
    """What is wrong with one field."""

    pointer: str
    detail: str


class ProblemBody(Struct, frozen=True, kw_only=True):
    """The JSON of a problem."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError] | UnsetType = UNSET


class Problem(Exception):  # noqa: N818  the standard's word; it is also what the client sees
    """A request that gets no for an answer."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.errors = kind, detail, list(errors)
        self.headers = dict(headers or {})

    def body(self, instance: str) -> bytes:
        """Return the problem as JSON, bounded; `instance` is the path that was called."""
        errors = [bounded(error) for error in self.errors[:MAX_ERRORS]]
        while True:
            body = msgspec.json.encode(
                ProblemBody(
                    type=f"/problems/{self.kind.slug}",
                    title=self.kind.title,
                    status=self.kind.status,
                    detail=shortened(self.detail),
                    instance=shortened(instance),
                    errors=errors or UNSET,
                )
            )
            # Texts are bounded in characters, and some of these are six bytes.
            if len(body) <= MAX_BYTES or not errors:
                return body
            errors = errors[: len(errors) // 2]


MALFORMED_JSON: Final = Kind(
    "malformed-json", 400, "The body is not JSON", "Send one JSON document, encoded as UTF-8."
)
NOT_FOUND: Final = Kind(
    "not-found", 404, "There is nothing here", "Check the path and the id; ended jobs are removed in time."
)
NO_RESULT: Final = Kind(
    "no-result", 404, "The job has no result", "Wait until its state is `succeeded`; other states have none."
)
METHOD_NOT_ALLOWED: Final = Kind(
    "method-not-allowed", 405, "Not with this method", "The header Allow names the methods of this path."
)
FOREIGN_ORIGIN: Final = Kind(
    "foreign-origin",
    403,
    "Another website sent this",
    "Call from the service's own page, or name the website in HTTP__ORIGINS.",
)
MISDIRECTED: Final = Kind(
    "misdirected", 421, "The request was meant for another host", "Use a name that is in HTTP__HOSTS."
)
JOB_FINAL: Final = Kind("job-already-final", 409, "The job has ended", "An ended job cannot be cancelled.")
JOB_NOT_FINAL: Final = Kind(
    "job-not-final", 409, "The job has not ended", "Cancel it first, or wait for its end."
)
JOB_NOT_FAILED: Final = Kind(
    "job-not-failed", 409, "The job has not failed", "Only failed jobs can be redriven."
)
JOB_NOT_WAITING: Final = Kind(
    "job-not-waiting",
    409,
    "The job does not wait",
    "Only a waiting job can be given another time or priority.",
)
UNIQUE_KEY_HELD: Final = Kind(
    "unique-key-held",
    409,
    "Another live job has this unique_key",
    "GET /jobs?unique_key=… shows it: wait for its end, or cancel it.",
)
REDRIVE_LIMIT: Final = Kind(
    "redrive-limit",
    409,
    "The job was redriven too often",
    'Send `{"force": true}` to redrive it all the same.',
)
TOO_LARGE: Final = Kind(
    "too-large", 413, "The body is too large", "Put large things into a store of files and send a reference."
)
UNSUPPORTED_MEDIA_TYPE: Final = Kind(
    "unsupported-media-type",
    415,
    "The body is of another kind",
    "Send `Content-Type: application/json` and no Content-Encoding.",
)
RANGE_NOT_SATISFIABLE: Final = Kind(
    "range-not-satisfiable",
    416,
    "There is no such part",
    "Content-Range says how many bytes there are; ask for a part within them, or for the whole.",
)
INVALID_REQUEST: Final = Kind(
    "invalid-request",
    422,
    "The request does not fit",
    "`errors` names each field that does not fit, and why.",
)
UNKNOWN_TASK: Final = Kind(
    "unknown-task", 422, "No worker knows this task", "GET /tasks lists the tasks that can be run."
)
KEY_REUSED: Final = Kind(
    "idempotency-key-reused",
    422,
    "The Idempotency-Key came before with another body",
    "Use a new key for a new job; repeat a request with exactly the same bytes.",
)
INTERNAL_ERROR: Final = Kind(
    "internal-error",
    500,
    "This is our fault",
    "Repeat the request later; the service's log says what happened.",
)
UNREADABLE: Final = Kind(
    "unreadable-record",
    500,
    "What is stored cannot be shown",
    "Others are not affected; the service's log says what is wrong with it, as `record.not_shown`.",
)
UNAVAILABLE: Final = Kind(
    "unavailable",
    503,
    "The service cannot answer now",
    "Repeat after Retry-After seconds, a POST with the same Idempotency-Key: it may have been stored.",
)

KINDS: Final[Mapping[str, Kind]] = {
    kind.slug: kind for kind in list(globals().values()) if isinstance(kind, Kind)
}
"""The catalogue, served at /problems/{slug}."""


def invalid(errors: Sequence[FieldError]) -> Problem:
    """Return the problem that names these fields."""
    told = [bounded(error) for error in errors[:MAX_ERRORS]]
    named = ", ".join(dict.fromkeys(error.pointer or "the body" for error in told))
    return Problem(INVALID_REQUEST, shortened(f"does not fit: {named}"), errors=told)


def bounded(error: FieldError) -> FieldError:
    """Return the error with texts of bounded length; a pointer that is too long leads to what holds the place."""
    pointer = error.pointer
    if len(pointer) > MAX_TEXT:
        pointer = pointer[: max(0, pointer.rfind("/", 0, MAX_TEXT))]
    return FieldError(pointer, shortened(error.detail))


def shortened(text: str) -> str:
    """Return the text, or its beginning and its end."""
    return text if len(text) <= MAX_TEXT else f"{text[:200]} … {text[-90:]}"


def unavailable(detail: str) -> Problem:
    """Return the problem of a dependency that is away."""
    return Problem(UNAVAILABLE, detail, headers={"retry-after": "2"})


def job_not_found(job_id: str) -> Problem:
    """Return the problem of a job that is not there, or not the caller's."""
    return Problem(NOT_FOUND, f"no job {job_id[:64]!r}")


def pointer_of(path: Iterable[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a path into a document.

    >>> pointer_of(["payload", "a/b", 0])
    '/payload/a~1b/0'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
