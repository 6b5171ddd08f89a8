"""Places at which a process can be told to die at once, so that a test may put a crash between two steps.

Off unless the setting `FAILPOINT` names one. The place itself costs the look at one boolean:

    if failpoints.ON:
        failpoints.hit("after_insert")
"""

import logging
import os
import signal
from typing import Final

log: Final = logging.getLogger(__name__)

PATTERN: Final = r"^([a-z_]+(:[1-9][0-9]*)?)?$"
"""What a setting may say: nothing, a place, or a place and at which of its hits."""

ON: bool = False
"""Whether any place is armed in this process."""

_place: str = ""
_left: int = 0


def arm(setting: str) -> None:
    """Have the process die at a place: `after_insert`, or `after_insert:3` when it is reached for the third time.

    Nothing happens for an empty setting.
    """
    global ON, _place, _left  # noqa: PLW0603 -- one process, one way to die
    _place, _, count = setting.partition(":")
    _left = int(count or 1)
    ON = bool(_place)
    if ON:
        log.warning("failpoint.armed", extra={"place": _place, "hit": _left})


def hit(place: str) -> None:
    """Say that this place is reached; if it is the armed one and its time has come, nothing comes after this call."""
    global _left  # noqa: PLW0603 -- counts down what `arm` has set
    if place != _place:
        return
    _left -= 1
    if _left == 0:
        log.critical("failpoint.died", extra={"place": place})
        os.kill(os.getpid(), signal.SIGKILL)
