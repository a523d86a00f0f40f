from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from pymongo import UpdateOne

from chesscoach import config
from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.errors import StoreFailed
from chesscoach.metrics import Metrics
from chesscoach.mongo.collection import MongoCollection
from tests.support.failing_mongod import FailingMongod, failing_mongod

WRITE_CONFLICT, LOCK_TIMEOUT, SNAPSHOT_UNAVAILABLE, UNAUTHORIZED = 112, 24, 246, 13

OPERATIONS: dict[str, tuple[str, Callable[[MongoCollection], Awaitable[object]], object]] = {
    "find": ("find", lambda things: things.find({"_id": 1}), [{"_id": 1, "n": 0}]),
    "find_one": ("find", lambda things: things.find_one({"_id": 1}), {"_id": 1, "n": 0}),
    "aggregate": ("aggregate", lambda things: things.aggregate([{"$count": "n"}]), [{"n": 2}]),
    "count": ("aggregate", lambda things: things.count({}), 2),
    "insert_if_new": ("insert", lambda things: things.insert_if_new({"_id": 3}), True),
    "insert_new": (
        "insert",
        lambda things: things.insert_new([{"_id": 2}, {"_id": 3}]),
        [False, True],
    ),
    "bulk_update": (
        "update",
        lambda things: things.bulk_update([UpdateOne({"_id": 1}, {"$inc": {"n": 1}})]),
        1,
    ),
    "find_one_and_update": (
        "findAndModify",
        lambda things: things.find_one_and_update({"_id": 1}, {"$inc": {"n": 1}}),
        {"_id": 1, "n": 1},
    ),
    "delete_one": ("delete", lambda things: things.delete_one({"_id": 1}), True),
    "delete_many": ("delete", lambda things: things.delete_many({}), 2),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FailingMongod]:
    with failing_mongod(tmp_path_factory.mktemp("failing") / "data") as started:
        yield started


@pytest.fixture
def failing_settings(server: FailingMongod) -> Settings:
    server.client.drop_database("conflicts")
    server.client.conflicts.things.insert_many([{"_id": 1, "n": 0}, {"_id": 2}])
    return config.load(None, {"MONGO_URL": server.url, "DB_NAME": "conflicts"})


@pytest.fixture
async def opened(failing_settings: Settings) -> AsyncIterator[tuple[MongoCollection, Metrics]]:
    async with open_context(failing_settings) as ctx:
        yield MongoCollection(ctx.mongo.database, "things"), ctx.metrics


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *((name, WRITE_CONFLICT) for name in OPERATIONS),
        ("find", LOCK_TIMEOUT),
        ("bulk_update", SNAPSHOT_UNAVAILABLE),
    ],
)
async def test_an_operation_is_repeated_after_a_conflict_and_done_once(
    server: FailingMongod, opened: tuple[MongoCollection, Metrics], name: str, code: int
) -> None:
    (things, metrics), (command, operation, result) = opened, OPERATIONS[name]
    server.fail(command, code, times=2)
    assert await operation(things) == result
    assert metrics.registry.get_sample_value("chesscoach_mongo_retries_total") == 2


async def test_a_conflict_that_lasts_and_another_error_are_raised(
    server: FailingMongod, opened: tuple[MongoCollection, Metrics]
) -> None:
    things, _ = opened
    for code, times in ((WRITE_CONFLICT, 6), (UNAUTHORIZED, 1)):
        for command, operation in (
            ("update", things.update_one({"_id": 1}, {"$inc": {"n": 1}})),
            ("insert", things.insert_new([{"_id": 7}])),
        ):
            server.fail(command, code, times=times)
            with pytest.raises(StoreFailed, match=str(code)):
                await operation
    assert list(server.client.conflicts.things.find({}, {"_id": 1})) == [{"_id": 1}, {"_id": 2}]


async def test_of_a_bulk_only_the_writes_in_conflict_are_repeated(
    server: FailingMongod, opened: tuple[MongoCollection, Metrics]
) -> None:
    things, _ = opened
    stored: Any = server.client.conflicts.things
    server.fail("insert", WRITE_CONFLICT, times=1)
    assert await things.insert_each([{"_id": n} for n in (2, 3, 3, 4)]) == [
        "existing", "new", "existing", "new",
    ]  # fmt: skip
    assert stored.count_documents({}) == 4
