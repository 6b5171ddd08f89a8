"""A place in the stream of many jobs that any replica understands: the offsets are Kafka's.

`4L6g3nShT-eMCtK--X86sw;0:812,1:790` is the id of the Kafka cluster, and for each partition of
`job-events` the offset that comes next. It comes back from clients, so it is read strictly.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 4_096
_TEXT: Final = re.compile(r"([\w-]{1,64});((?:\d{1,6}:\d{1,19},)*\d{1,6}:\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a reader has: everything before these offsets."""

    cluster: str
    offsets: Mapping[int, int]

    def __str__(self) -> str:
        """Write it as it goes over the wire.

        >>> str(Cursor("c1", {1: 790, 0: 812}))
        'c1;0:812,1:790'
        """
        return f"{self.cluster};{','.join(f'{p}:{offset}' for p, offset in sorted(self.offsets.items()))}"

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """Read what a client sent; None if no cursor was ever written so.

        >>> Cursor.parse("c1;0:812,1:790")
        Cursor(cluster='c1', offsets={0: 812, 1: 790})
        >>> Cursor.parse("c1;0:812,0:790"), Cursor.parse("c1;0:-5"), Cursor.parse("3.0")
        (None, None, None)
        """
        if len(text) > _LONGEST or (match := _TEXT.fullmatch(text)) is None:
            return None
        pairs = [pair.split(":") for pair in match.group(2).split(",")]
        offsets = {int(partition): int(offset) for partition, offset in pairs}
        return cls(match.group(1), offsets) if len(offsets) == len(pairs) else None
