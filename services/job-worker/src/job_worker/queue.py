"""How many messages lie on the topic of jobs that no worker has taken yet."""

from typing import Protocol

from job_contracts.topics import Group, Topic
from service_chassis.offsets import Offsets, OffsetsError


class OffsetsReader(Protocol):
    """What is asked of Kafka."""

    async def ends(self, topic: str) -> Offsets:
        """Return where a topic ends."""

    async def committed(self, group: str) -> Offsets:
        """Return how far a group has come."""


class Queue:
    """The line of messages in front of the workers, which says more than records: a message may be lost."""

    def __init__(self, offsets: OffsetsReader) -> None:
        self._offsets = offsets

    async def length(self) -> int | None:
        """Return how many messages wait, or None while Kafka does not tell."""
        try:
            ends = await self._offsets.ends(Topic.JOBS)
            taken = await self._offsets.committed(Group.JOB_WORKER)
        except OffsetsError:
            return None
        return sum(max(0, end - taken.get(partition, 0)) for partition, end in ends.items())
