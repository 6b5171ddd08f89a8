"""Settings from the environment: all that is wrong with them in one clear line, and nothing started."""

import sys
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from service_chassis.settings import UNKNOWN, SharedSection

S = TypeVar("S", bound=BaseModel)

_USAGE = 2
"""Exit code: to start it again changes nothing."""


def read(settings: type[S], *, of: str) -> S:
    """Return the settings, or end the process and say why.

    Raises
    ------
    SystemExit
        A setting has no usable value, or there is no such setting; all of them stand on one line of standard error,
        without their values.
    """
    try:
        return settings()
    except ValidationError as error:
        reason = "; ".join(complaints(settings, error))
    except SettingsError as error:
        # Such as LOG=debug beside LOG__LEVEL: a whole section is JSON.
        reason = f"{error}: a section's settings are NAME__FIELD, or one JSON object"
    sys.stderr.write(f"{of} does not start: {reason}\n")
    raise SystemExit(_USAGE)


def complaints(settings: type[BaseModel], error: ValidationError) -> Iterator[str]:
    """Yield what is wrong, each with the name of its variable."""
    for detail in error.errors(include_url=False, include_input=False, include_context=True):
        yield _complaint(settings, detail)


def _complaint(settings: type[BaseModel], detail: ErrorDetails) -> str:
    path = [str(part) for part in detail["loc"]]
    if detail["type"] == UNKNOWN:
        path.append(str(detail["ctx"]["name"]))
    variable = "__".join(path).upper()
    if detail["type"] in {UNKNOWN, "extra_forbidden"}:
        return f"{variable}: there is no such setting{_nearest(settings, path)}"
    text = detail["msg"].removeprefix("Value error, ")
    # Settings that contradict each other are named by the text itself.
    return text if "__" in text else f"{variable}: {text}"


def _nearest(settings: type[BaseModel], path: list[str]) -> str:
    *sections, name = path
    model: Any = settings
    for section in sections:
        field = model.model_fields.get(section)
        model = field.annotation if field is not None else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return ""
    names = model.names if issubclass(model, SharedSection) else model.model_fields
    near = get_close_matches(name, names, n=1)
    return f", did you mean {'__'.join([*sections, near[0]]).upper()}?" if near else ""
