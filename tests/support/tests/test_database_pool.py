from typing import Any

import pytest
from pymongo import MongoClient

from chesscoach.mongo.client import Document
from tests.support.mongo.database_pool import DatabasePool


def change_index(database: Any) -> None:
    keys = [("user_id", 1), ("url", 1)]
    database.games.drop_index(keys)
    database.games.create_index(keys, unique=True)


def insert_array(database: Any) -> None:
    database.notifications.insert_one({"created_at": ["now"]})


def link_account(database: Any) -> None:
    database.sync_accounts.insert_one({"links": [{"user_id": "ann"}, {"user_id": "bob"}]})
    database.extra.insert_one({})


def make_view(database: Any) -> None:
    database.create_collection("extra", viewOn="games", pipeline=[])


def drop_all(database: Any) -> None:
    database.client.drop_database(database.name)


@pytest.mark.parametrize(
    ("change", "collection", "kept"),
    [
        (change_index, "games", False),
        (insert_array, "notifications", False),
        (drop_all, "job_runs", False),
        (make_view, "games", True),
        (link_account, "sync_accounts", True),
    ],
)
def test_a_database_is_handed_on_empty_and_without_changed_collections(
    mongo_url: str, mongo: MongoClient[Document], change: Any, collection: str, kept: bool
) -> None:
    pool = DatabasePool(mongo_url, mongo)
    first = mongo[pool.acquire()]
    wanted, old = indexes_of(first), uuid_of(first, collection)

    change(first)
    pool.release(first.name)

    assert indexes_of(first) == wanted
    assert (uuid_of(first, collection) == old) is kept
    assert [name for name in wanted if first[name].find_one()] == []
    second = mongo[pool.acquire()]
    assert indexes_of(second) == wanted
    for database in (first, second):
        mongo.drop_database(database)


def indexes_of(database: Any) -> dict[str, Any]:
    names = database.list_collection_names()
    return {name: database[name].index_information() for name in names}


def uuid_of(database: Any, collection: str) -> Any:
    (found,) = database.list_collections(filter={"name": collection})
    return found["info"]["uuid"]
