"""Reading and writing in as few round trips as there can be."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo import ReturnDocument, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError

from service_chassis.mongo import Collection

_DUPLICATE_KEY = 11000


def only_taken_keys(error: BulkWriteError) -> Sequence[Mapping[str, Any]]:
    """Return what was refused because something else has its id or key; raise the error if it says anything else.

    An error without refusals says that the writes were made and no majority is known to have them.
    """
    refused: Sequence[Mapping[str, Any]] = error.details["writeErrors"]
    if any(e["code"] != _DUPLICATE_KEY for e in refused) or error.details.get("writeConcernErrors"):
        raise error
    return refused


async def insert_new(collection: Collection, documents: Sequence[Mapping[str, Any]]) -> set[int]:
    """Insert documents; return the positions of those whose id or key another has."""
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        return {refused["index"] for refused in only_taken_keys(error)}
    return set()


async def insert_missing(collection: Collection, documents: Sequence[Mapping[str, Any]]) -> None:
    """Insert the documents whose `_id` is not there yet; the others stay as they are, so it may be repeated.

    The driver cuts what is over the server's limit of 48 MB for one command.
    """
    if not documents:
        return
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if any("_id" not in refused.get("keyPattern", {}) for refused in only_taken_keys(error)):
            raise


async def read_by_id(
    collection: Collection, ids: Iterable[str], *, fields: Mapping[str, int] | Sequence[str] | None = None
) -> dict[str, Mapping[str, Any]]:
    """Return the documents with these ids, or these fields of them; a mapping to 0 names what to leave out.

    Naming what is wanted costs mongod less.
    """
    wanted = list(ids)
    # All in one answer: without a size the first has 101 documents.
    cursor = collection.find({"_id": {"$in": wanted}}, fields, batch_size=len(wanted) + 1)
    found = await cursor.to_list(None)
    return {document["_id"]: document for document in found}


async def update_groups(
    collection: Collection, updates: Sequence[tuple[Any, Any]], *, ordered: bool = False
) -> int:
    """Apply each (filter, update) to all it matches, in one round trip; return how many changed.

    With `ordered` a later update sees what an earlier one has done.
    """
    if not updates:
        return 0
    # mongod takes an update of one document along a shorter path, and the driver can repeat it by itself.
    operations = [
        UpdateOne(query, update) if isinstance(query.get("_id"), str) else UpdateMany(query, update)
        for query, update in updates
    ]
    result = await collection.bulk_write(operations, ordered=ordered)
    return int(result.modified_count)


async def update_and_read(
    collection: Collection,
    query: Any,
    update: Any,
    *,
    fields: Mapping[str, int] | Sequence[str] | None = None,
) -> Mapping[str, Any] | None:
    """Update the document that matches and return these fields of it as they are stored then; None if none does."""
    found: Mapping[str, Any] | None = await collection.find_one_and_update(
        query, update, fields, return_document=ReturnDocument.AFTER
    )
    return found


async def add_up(collection: Collection, additions: Sequence[tuple[Any, Any]]) -> None:
    """Apply each (filter, update) to one document, which is made if it is not there; not safe to repeat."""
    if additions:
        operations = [UpdateOne(query, update, upsert=True) for query, update in additions]
        await collection.bulk_write(operations, ordered=False)
