"""What an error of a group of writes says of each."""

from typing import Any

import pytest
from pymongo.errors import BulkWriteError

from service_chassis.bulk import insert_missing, insert_new, only_taken_keys

_TAKEN = {"index": 1, "code": 11000, "keyPattern": {"_id": 1}}
_STEPPED_DOWN = {"index": 0, "code": 10107}
_NO_MAJORITY = {"code": 64, "errmsg": "waiting for replication timed out"}


class Refusing:
    """A collection whose every insert ends in this error."""

    def __init__(self, **details: Any) -> None:
        self._details = {"writeErrors": [], "writeConcernErrors": [], **details}

    async def insert_many(self, *_: Any, **__: Any) -> None:
        raise BulkWriteError(self._details)


def test_refusals_for_taken_keys_are_told() -> None:
    assert only_taken_keys(BulkWriteError({"writeErrors": [_TAKEN], "writeConcernErrors": []})) == [_TAKEN]


@pytest.mark.parametrize(
    "details",
    [
        {"writeErrors": [_TAKEN, _STEPPED_DOWN]},
        {"writeConcernErrors": [_NO_MAJORITY]},
        {"writeErrors": [_TAKEN], "writeConcernErrors": [_NO_MAJORITY]},
    ],
    ids=["another error", "no majority", "a taken key and no majority"],
)
async def test_what_no_majority_is_known_to_have_is_not_stored(details: dict[str, Any]) -> None:
    for insert in (insert_new, insert_missing):
        with pytest.raises(BulkWriteError):
            await insert(Refusing(**details), [{"_id": 0}, {"_id": 1}])
