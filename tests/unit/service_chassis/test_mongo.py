"""Telling an outage from a mistake."""

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from service_chassis.mongo import is_outage


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("gone"),
        ServerSelectionTimeoutError("nobody there"),
        TimeoutError(),
        OperationFailure("interrupted at shutdown", 11600),
        BulkWriteError({"writeErrors": [{"code": 189}]}),
        BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}),
    ],
    ids=repr,
)
def test_what_the_server_is_to_blame_for_may_work_later(error: BaseException) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        DuplicateKeyError("twice", 11000),
        OperationFailure("unknown operator", 2),
        BulkWriteError({"writeErrors": [{"code": 11000}]}),
        PyMongoError("a bug"),
        ValueError("a bug"),
    ],
    ids=repr,
)
def test_what_would_fail_again_is_no_outage(error: BaseException) -> None:
    assert not is_outage(error)
