"""What no JSON document may hold (`job_contracts.strict_json`), as errors of fields."""

from api.problems import FieldError, pointer_of
from job_contracts import strict_json
from job_contracts.strict_json import has_more, looks_suspicious

__all__ = ["faults", "has_more", "looks_suspicious"]


def faults(text: str) -> list[FieldError]:
    """Return what the document must not hold, each with its pointer.

    >>> faults('{"payload": {"a": [1, NaN]}}')
    [FieldError(pointer='/payload/a/1', detail='NaN is not a JSON number')]
    """
    return [FieldError(pointer_of(path), detail) for path, detail in strict_json.faults(text)]
