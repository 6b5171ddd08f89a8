"""How MongoDB goes about a query."""

from collections.abc import Iterator
from typing import Any

from service_chassis.mongo import Mongo


async def stages(mongo: Mongo, collection: str, pipeline: list[dict[str, Any]], index: str) -> list[Any]:
    """Return every stage of the winning plan of an aggregation, wherever it is nested."""
    command = {
        "explain": {"aggregate": collection, "pipeline": pipeline, "cursor": {}, "hint": index},
        "verbosity": "executionStats",
    }
    database = mongo.collection(collection).database
    return list(_nested(await database.command(command)))


def _nested(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "stage" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _nested(child)
