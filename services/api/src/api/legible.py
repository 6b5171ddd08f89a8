"""What is stored, as it is shown: what cannot be shown is told in the log and counted.

From a list it is left out, since one such record must not hide all others from everybody. Who asks for it alone
hears that it cannot be shown.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw
from prometheus_client import Counter

from api.problems import UNREADABLE, Problem
from job_contracts.record import INLINE_LIMIT
from job_contracts.views import encode_view, job_view

log = logging.getLogger(__name__)

T = TypeVar("T")

_JSON: Final = msgspec.json.Decoder(Raw)


class Legible:
    """Shows what can be shown, and counts the rest in `skipped` by the list it is missing from."""

    def __init__(self, skipped: Counter | None = None) -> None:
        self._skipped = skipped

    def shown(
        self, docs: Iterable[Mapping[str, Any]], view: Callable[[Mapping[str, Any]], T], *, of: str
    ) -> list[T]:
        """Return the views of those documents that have one which is JSON."""
        views = []
        for doc in docs:
            try:
                views.append(self.one(doc, view, of=of))
            except Problem:
                continue  # told and counted; the others are shown
        return views

    def one(self, doc: Mapping[str, Any], view: Callable[[Mapping[str, Any]], T], *, of: str) -> T:
        """Return the view of a document; `Problem` if it has none that is JSON."""
        try:
            seen = view(doc)
            # Payload and result are foreign text: if it is no JSON, nor is the whole answer.
            _JSON.decode(msgspec.json.encode(seen))
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error)[:200]}"
            log.error("record.not_shown", extra={"of": of, "id": str(doc.get("_id"))[:200], "reason": reason})
            if self._skipped is not None:
                self._skipped.labels(of).inc()
            raise Problem(UNREADABLE, "it is stored, and cannot be shown") from error
        return seen


def moment_of(record: Mapping[str, Any]) -> tuple[int, int]:
    """Return version and revision of a job; `msgspec.ValidationError` if they are no numbers."""
    return msgspec.convert((record["version"], record["revision"]), tuple[int, int])


def shown_job(record: Mapping[str, Any], result: bytes | None = None, *, limit: int = INLINE_LIMIT) -> Raw:
    """Return the view of a job as JSON; what lists and streams go on from is looked at as well."""
    moment_of(record)
    return Raw(encode_view(job_view(record, result, limit=limit)))
