"""Telling an outage from a mistake."""

from datetime import UTC, datetime

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from bson.errors import InvalidDocument
from pydantic import SecretStr
from pymongo import ReadPreference
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from service_chassis.mongo import Mongo, is_outage
from service_chassis.settings import MongoDriver, MongoSettings


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("gone"),
        ServerSelectionTimeoutError("nobody there"),
        TimeoutError(),
        OperationFailure("interrupted at shutdown", 11600),
        OperationFailure("not authorized on jobstream", 13),
        OperationFailure("out of disk space", 14031),
        ProtocolError("got opcode 0"),
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
        OverflowError("MongoDB can only handle up to 8-byte ints"),
        InvalidDocument("key must not contain NUL"),
        DocumentTooLarge("17 MB"),
        OperationFailure("the resulting document is too large", 17419),
    ],
    ids=repr,
)
def test_what_would_fail_again_is_no_outage(error: BaseException) -> None:
    assert not is_outage(error)


@pytest.mark.parametrize("driver", list(MongoDriver))
async def test_no_option_of_the_uri_weakens_what_is_read_and_written(driver: MongoDriver) -> None:
    weak = "readPreference=secondaryPreferred&readConcernLevel=local&w=1&journal=false&maxStalenessSeconds=90"
    uri = SecretStr(f"mongodb://127.0.0.1:1/?{weak}&retryWrites=false")
    async with Mongo(MongoSettings(uri=uri, driver=driver), indexes={}) as mongo:
        jobs = mongo.collection("jobs")
    assert jobs.read_preference == ReadPreference.PRIMARY
    assert jobs.read_concern.level == "majority"
    assert jobs.write_concern.document == {"w": "majority", "j": True}


async def test_what_nobody_can_read_hides_nothing_that_is_read_with_it() -> None:
    async with Mongo(MongoSettings(uri=SecretStr("mongodb://127.0.0.1:1")), indexes={}) as mongo:
        options = mongo.collection("jobs").codec_options
    stored = bson.encode({"_id": "abcd", "created_at": DatetimeMS(2**62)}).replace(b"abcd", b"ab\xff\xfe")
    assert bson.decode(stored, options) == {
        "_id": "ab\ufffd\ufffd",
        "created_at": datetime(9999, 12, 31, 23, 59, 59, 999000, UTC),
    }
