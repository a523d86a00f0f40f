from typing import Any

import pytest
from pymongo import UpdateOne

from chesscoach.context import Context
from chesscoach.errors import DuplicateDocument, StoreFailed
from chesscoach.mongo.collection import MongoCollection


@pytest.fixture
def collection(ctx: Context) -> MongoCollection:
    return MongoCollection(ctx.mongo.database, "things")


async def test_new_documents_are_inserted_and_existing_ones_stay(
    collection: MongoCollection, db: Any
) -> None:
    assert await collection.insert_if_new({"_id": 2, "value": "first"})
    assert not await collection.insert_if_new({"_id": 2, "value": "second"})
    documents = [{"_id": number, "value": "later"} for number in (1, 2, 3, 3)]

    assert await collection.insert_new(documents) == [True, False, True, False]

    assert await collection.insert_new([]) == []
    assert list(db.things.find(sort=[("_id", 1)])) == [
        {"_id": 1, "value": "later"},
        {"_id": 2, "value": "first"},
        {"_id": 3, "value": "later"},
    ]


async def test_a_document_that_another_unique_index_refuses_does_not_count_as_existing(
    collection: MongoCollection, db: Any
) -> None:
    db.things.create_index("value", unique=True)
    db.things.insert_many([{"_id": 1, "value": 1}])
    documents = [{"_id": 1, "value": 5}, {"_id": 2, "value": 1}, {"_id": 3, "value": 3}]

    assert await collection.insert_each(documents) == ["existing", "refused", "new"]

    with pytest.raises(DuplicateDocument, match=r"^things: a unique index .* refuses 1 of our doc"):
        await collection.insert_if_new({"_id": 4, "value": 1})
    with pytest.raises(DuplicateDocument, match="refuses 1 "):
        await collection.insert_new([{"_id": 5, "value": 1}, {"_id": 6, "value": 6}])
    assert {thing["_id"] for thing in db.things.find()} == {1, 3, 6}


async def test_a_key_is_not_found_inside_an_array(collection: MongoCollection, db: Any) -> None:
    db.things.create_index("key", unique=True)
    db.things.insert_one({"key": ["a", "b"]})
    documents = [{"key": "a"}, {"key": "c"}]
    assert await collection.insert_each(documents, key="key") == ["refused", "new"]


async def test_an_insert_that_fails_for_another_reason_than_a_duplicate_raises(
    collection: MongoCollection, db: Any
) -> None:
    db.create_collection("things", validator={"value": {"$type": "int"}})
    with pytest.raises(StoreFailed):
        await collection.insert_new([{"_id": 1, "value": 1}, {"_id": 2, "value": "text"}])
    assert [thing["_id"] for thing in db.things.find()] == [1]


async def test_each_kind_of_operation_raises_our_errors(
    collection: MongoCollection, db: Any
) -> None:
    wrong: dict[str, Any] = {"$noSuchOperator": 1}
    for operation in (
        collection.find(wrong),
        collection.find_one(wrong),
        collection.aggregate([wrong]),
        collection.count(wrong),
        collection.update_one({}, wrong),
        collection.update_many({}, wrong),
        collection.bulk_update([UpdateOne({}, wrong)]),
        collection.find_one_and_update({}, wrong),
        collection.delete_one(wrong),
        collection.delete_many(wrong),
    ):
        with pytest.raises(StoreFailed):
            await operation
    db.things.create_index("value", unique=True)
    db.things.insert_many([{"_id": 1, "value": 1}, {"_id": 2, "value": 2}])
    with pytest.raises(DuplicateDocument):
        await collection.update_one({"_id": 1}, {"$set": {"value": 2}})


async def test_bulk_updates_count_the_documents_that_matched(
    collection: MongoCollection, db: Any
) -> None:
    db.things.insert_many([{"_id": number} for number in range(3)])
    updates = [UpdateOne({"_id": number}, {"$set": {"seen": True}}) for number in (1, 2, 9)]
    assert await collection.bulk_update(updates) == 2
    assert await collection.bulk_update([]) == 0


async def test_a_page_has_all_documents_of_its_users(collection: MongoCollection, db: Any) -> None:
    users = "abbbbccd"
    db.things.insert_many({"_id": n, "user_id": user, "v": 1} for n, user in enumerate(users))
    db.things.insert_many([{"user_id": "b", "v": 2}, {"user_id": 7, "v": 1}, {"v": 1}])

    for size in range(1, 10):
        pages = [page async for page in collection.user_pages({"v": 1}, size, {"user_id": 1})]
        found = ["".join(document["user_id"] for document in page) for page in pages]
        assert "".join(found) == users
        assert len(set(users)) == sum(len(set(page)) for page in found)

    assert [page async for page in collection.user_pages({"v": 3}, 5)] == []
