"""Secrets: given out by name to the places they are bound to, and taken out of whatever comes back."""

import base64
import binascii
import html
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

from job_worker.outbound import Target
from job_worker.tasks.errors import JobsOwnFault
from job_worker.tasks.http_request.settings import BoundSecret

REDACTED: Final = "[redacted]"

_SHORTEST: Final = 8
"""Of a part of a secret, such as a password: shorter ones would blacken ordinary words."""


class UnknownSecret(JobsOwnFault):
    """No secret has this name."""


class SecretBoundElsewhere(JobsOwnFault):
    """The secret may not be sent there."""


class Vault:
    """The secrets by name."""

    def __init__(self, secrets: Mapping[str, BoundSecret]) -> None:
        self._secrets = secrets

    def value(self, name: str, target: Target) -> str:
        """Return the value to be sent to this place.

        Raises
        ------
        UnknownSecret
            There is none of this name.
        SecretBoundElsewhere
            The place is none of those it is bound to.
        """
        secret = self._secrets.get(name)
        if secret is None:
            raise UnknownSecret(f"no secret is called {name}: the operator sets HTTP_REQUEST__SECRETS")
        if not secret.may_go_to(target):
            raise SecretBoundElsewhere(f"the secret {name} may not be sent to {target.origin}")
        return secret.value.get_secret_value()


class Redaction:
    """Takes secrets out of an answer: an upstream may repeat what it was sent.

    Found are the value, its last word (the token behind `Bearer`), what `Basic` packs, and
    each of these as it stands in URLs, JSON, HTML and Base64.

    >>> Redaction(["Bearer s3cret-token"]).text("you sent s3cret-token")
    'you sent [redacted]'
    """

    def __init__(self, values: Iterable[str]) -> None:
        shapes = {shape for value in values for part in _parts(value) for shape in _shapes(part)}
        # The longest first: a part of a secret stands in the whole.
        self._needles = sorted(shapes, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return the text without them."""
        for needle in self._needles:
            text = text.replace(needle, REDACTED)
        return text

    def data(self, data: bytes) -> bytes:
        """Return the bytes without them."""
        for needle in self._needles:
            data = data.replace(needle.encode(), REDACTED.encode())
        return data

    def document(self, value: Any, *, levels: int) -> Any:
        """Return the JSON document without them, in names as in values.

        Raises
        ------
        RecursionError
            It is nested deeper than so many levels.
        """
        if isinstance(value, str):
            return self.text(value)
        if not isinstance(value, dict | list):
            return value
        if levels == 0:
            raise RecursionError
        if isinstance(value, list):
            return [self.document(item, levels=levels - 1) for item in value]
        return {self.text(name): self.document(item, levels=levels - 1) for name, item in value.items()}


def _parts(value: str) -> Iterator[str]:
    yield value
    scheme, _, token = value.rpartition(" ")
    yield token
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(token, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        yield from (part for part in (pair, pair.partition(":")[2]) if len(part) >= _SHORTEST)


def _shapes(part: str) -> Iterator[str]:
    yield part
    yield quote(part, safe="")
    yield quote_plus(part)
    yield json.dumps(part)[1:-1]
    yield html.escape(part)
    yield base64.b64encode(part.encode()).decode()
