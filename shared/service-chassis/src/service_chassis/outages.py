"""Whose fault an error is: a server's, so that the same work may succeed later, or the work's own."""

from typing import Final

from aiokafka.errors import KafkaError
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from service_chassis import mongo
from service_chassis.offsets import OffsetsError
from service_chassis.publisher import PublishError

_REFUSES_EVERYBODY: Final = frozenset({59, 133, 202})
"""Codes that say nothing of records, besides those that `mongo.is_outage` knows: CommandNotFound,
FailedToSatisfyReadPreference, NetworkInterfaceExceededTimeLimit."""


def is_outage(error: BaseException) -> bool:
    """Whether a server, not the records that were handled, is to blame.

    What is in doubt is an outage: then nothing is lost and the line waits.

    >>> is_outage(TimeoutError()), is_outage(OverflowError())
    (True, False)
    """
    if isinstance(error, OperationFailure):
        codes = {error.code}
        if isinstance(error, BulkWriteError):
            codes = {refused["code"] for refused in error.details.get("writeErrors", ())}
        return mongo.is_outage(error) or None in codes or not codes.isdisjoint(_REFUSES_EVERYBODY)
    return isinstance(error, PyMongoError | KafkaError | PublishError | OffsetsError | OSError | TimeoutError)
