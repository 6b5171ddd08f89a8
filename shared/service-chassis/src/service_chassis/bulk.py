"""Writing many documents in one round trip, safe to repeat."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError

from service_chassis.mongo import Collection

_DUPLICATE_KEY = 11000


async def insert_missing(collection: Collection, documents: Sequence[Mapping[str, Any]]) -> None:
    """Insert the documents whose `_id` is not there yet; the others stay as they are.

    The driver cuts what is over the server's limit of 48 MB for one command.
    """
    if not documents:
        return
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        refused = error.details["writeErrors"]
        others = [e for e in refused if e["code"] != _DUPLICATE_KEY or "_id" not in e.get("keyPattern", {})]
        if others or error.details.get("writeConcernErrors"):
            raise


async def update_groups(collection: Collection, updates: Sequence[tuple[Any, Any]]) -> int:
    """Apply each (filter, update) to all it matches, in one round trip; return how many changed."""
    if not updates:
        return 0
    # mongod takes an update of one document along a shorter path, and the driver can repeat it by itself.
    operations = [
        UpdateOne(query, update) if isinstance(query.get("_id"), str) else UpdateMany(query, update)
        for query, update in updates
    ]
    result = await collection.bulk_write(operations, ordered=False)
    return int(result.modified_count)
