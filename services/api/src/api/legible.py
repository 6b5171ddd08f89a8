"""What is stored, as it is shown in a list: what cannot be shown is left out, told in the log and counted.

One such record must not hide all others from everybody.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw
from prometheus_client import Counter

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
                seen = view(doc)
                # Payload and result are foreign text: if it is no JSON, nor is the whole list.
                _JSON.decode(msgspec.json.encode(seen))
            except Exception as error:  # noqa: BLE001  whatever is wrong with it, the others are shown
                reason = f"{type(error).__name__}: {str(error)[:200]}"
                log.error(
                    "record.not_shown", extra={"of": of, "id": str(doc.get("_id"))[:200], "reason": reason}
                )
                if self._skipped is not None:
                    self._skipped.labels(of).inc()
            else:
                views.append(seen)
        return views
