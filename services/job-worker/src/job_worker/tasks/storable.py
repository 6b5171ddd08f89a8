"""Makes whatever a task hands over storable: text that can be encoded, numbers that are numbers.

Errors, progress and log lines are foreign code. Their `__str__` may raise, their text may be no Unicode,
and MongoDB or Kafka would refuse it much later, where others' jobs are written as well.
"""

import math
from datetime import timedelta
from typing import Any, Final, SupportsFloat

LONGEST_WAIT: Final = timedelta(days=366)
"""Nothing a task asks for makes its job wait longer: dates beyond the year 9999 cannot be read again."""

MESSAGE_LIMIT: Final = 1_000
"""Characters of the text of an error."""

NAME_LIMIT: Final = 200
"""Characters of the name of its class."""

_name = type.__dict__["__name__"].__get__
"""The name that a class was made with, whatever its metaclass says."""


def text_of(value: object, *, limit: int) -> str:
    r"""Return the text of anything, cut to so many characters; it never raises and can always be encoded.

    >>> text_of("caf\udce9\0", limit=100)
    'caf\\udce9\\x00'
    >>> text_of(b"no text", limit=4)
    "b'no"
    """
    try:
        text = str(value)
    except BaseException as error:  # noqa: BLE001  it is foreign code, and this is what is said of it
        return f"<a text of {name_of(value)} that cannot be shown: {name_of(error)}>"[:limit]
    # A subclass of `str` may have methods of its own.
    piece = str.__getitem__(text, slice(limit))
    readable = str.encode(piece, errors="backslashreplace").decode()
    return readable.replace("\0", "\\x00")[:limit]


def name_of(value: object) -> str:
    """Return the name of the class of anything, as text that can be stored.

    >>> name_of(ValueError("no"))
    'ValueError'
    """
    return text_of(_name(type(value)), limit=NAME_LIMIT) or "<no name>"


def percent_of(value: Any) -> float:
    """Return a number from 0 to 100; what is no number is refused, what is beyond is cut.

    >>> percent_of(150), percent_of(float("nan")), percent_of(-(10**400))
    (100.0, 0.0, 0.0)
    """
    if not isinstance(value, SupportsFloat):
        raise TypeError(f"the percentage must be a number, not {name_of(value)}")
    given: Any = value
    try:
        number = float(given)
    except OverflowError:
        number = math.inf if given > 0 else 0.0
    return 0.0 if math.isnan(number) else min(100.0, max(0.0, number))


def wait_of(value: Any, *, what: str) -> timedelta:
    """Return how long to wait, from 0 to `LONGEST_WAIT`; what is no `timedelta` is refused.

    >>> wait_of(timedelta.max, what="after")
    datetime.timedelta(days=366)
    """
    if not issubclass(type(value), timedelta):
        raise TypeError(f"{what} must be a timedelta, not {name_of(value)}")
    wait: timedelta = value
    return min(max(wait, timedelta(0)), LONGEST_WAIT)
