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


@pytest.mark.parametrize(
    ("change", "kept"), [(change_index, False), (insert_array, False), (link_account, True)]
)
def test_a_database_is_handed_on_empty_unless_its_indexes_have_changed(
    mongo_url: str, mongo: MongoClient[Document], change: Any, kept: bool
) -> None:
    pool = DatabasePool(mongo_url, mongo)
    name = pool.acquire()

    change(mongo[name])
    pool.release(name)

    collections = mongo[name].list_collection_names()
    assert bool(collections) is kept
    assert "extra" not in collections
    assert [c for c in collections if mongo[name][c].find_one()] == []
    mongo.drop_database(name)
