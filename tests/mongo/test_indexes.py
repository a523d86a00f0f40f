import asyncio
from collections import defaultdict
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from chesscoach.context import Context
from chesscoach.declared_indexes import COLLECTIONS, INDEXES
from chesscoach.errors import SetupError
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.indexes import Indexes
from tests.support.application_indexes import create_application_indexes

OWN_INDEXES: defaultdict[str, set[str]] = defaultdict(set)
for declared in INDEXES:
    OWN_INDEXES[declared.collection].add(declared.name)
LABELS = {f"{collection}.{name}" for collection, names in OWN_INDEXES.items() for name in names}


@pytest.fixture
def empty_database(ctx: Context, mongo: MongoClient[Document]) -> Database:
    """The test's database, with no collection and no index."""
    mongo.drop_database(ctx.mongo.database.name)
    return ctx.mongo.database


def wanted_indexes(database: Database) -> Indexes:
    return Indexes(database, INDEXES, COLLECTIONS)


def index_names(db: Any) -> dict[str, set[str]]:
    """The names of the indexes, by collection, without `_id_`."""
    indexes = {
        name: set(db[name].index_information()) - {"_id_"} for name in db.list_collection_names()
    }
    return {name: names for name, names in indexes.items() if names}


async def test_an_empty_database_gets_all_indexes_once(empty_database: Database, db: Any) -> None:
    assert set(await wanted_indexes(empty_database).missing()) == LABELS
    first = await wanted_indexes(empty_database).create()
    assert (set(first.made), first.present) == (LABELS, [])
    assert index_names(db) == OWN_INDEXES
    assert set(COLLECTIONS) <= set(db.list_collection_names())
    assert await wanted_indexes(empty_database).missing() == []
    second = await wanted_indexes(empty_database).create()
    assert (second.made, set(second.present)) == ([], LABELS)
    assert index_names(db) == OWN_INDEXES


async def test_several_processes_can_prepare_an_empty_database_at_once(
    empty_database: Database, db: Any
) -> None:
    await asyncio.gather(*(wanted_indexes(empty_database).create() for _ in range(3)))
    assert index_names(db) == OWN_INDEXES


async def test_the_applications_own_indexes_serve_and_stay_as_they_are(
    empty_database: Database, db: Any
) -> None:
    create_application_indexes(db)
    before = {name: db[name].index_information() for name in db.list_collection_names()}
    report = await wanted_indexes(empty_database).create()
    assert set(report.present) == {
        "users.chesscoach_user_id",
        "games.chesscoach_game_id",
        "player_profiles.user_id_1__id_1",
        "user_sessions.expires_at_1",
    }
    assert set(report.made) == LABELS - set(report.present)
    for name, old in before.items():
        new = db[name].index_information()
        assert old.items() <= new.items()
        assert set(new) - set(old) <= OWN_INDEXES.get(name, set())
    await wanted_indexes(empty_database).require_unique("users", "games", "analysis_queue")


async def test_the_application_can_create_its_indexes_after_ours(
    empty_database: Database, db: Any
) -> None:
    await wanted_indexes(empty_database).create()
    before = {name: db[name].index_information() for name in OWN_INDEXES}
    create_application_indexes(db)
    for name, old in before.items():
        assert old.items() <= db[name].index_information().items()
    assert db.users.index_information()["user_id_1"]["unique"]
    assert await wanted_indexes(empty_database).missing() == []


FIELDS = {
    "users": "user_id",
    "games": "game_id",
    "analysis_queue": "queue_id",
    "notifications": "notification_id",
    "puzzle_attempts": "attempt_id",
    "reflection_results": "reflection_id",
    "game_analyses": "analysis_id",
    "user_sessions": "session_token",
    "player_profiles": "user_id",
    "user_progress": "user_id",
}


@pytest.mark.parametrize("before", [True, False])
async def test_documents_without_the_key_neither_stop_db_init_nor_are_refused_after_it(
    empty_database: Database, db: Any, before: bool
) -> None:
    documents: list[Document] = [{}, {}, *({"key": odd} for odd in (None, None, 7, 7, ["a"]))]
    if not before:
        await wanted_indexes(empty_database).create()
    for collection, field in FIELDS.items():
        db[collection].insert_many(
            [{field: document["key"]} if document else {} for document in documents]
        )
    report = await wanted_indexes(empty_database).create()
    assert len(report.made if before else report.present) == len(LABELS)


@pytest.mark.parametrize(("collection", "field"), [("users", "user_id"), ("games", "game_id")])
async def test_a_unique_index_of_ours_serves_queries_for_texts(
    empty_database: Database, db: Any, collection: str, field: str
) -> None:
    await wanted_indexes(empty_database).create()
    for query in ({field: "a"}, {field: {"$in": ["a", "b"]}}, {field: {"$gt": ""}}):
        plan = db[collection].find(query, sort=[(field, 1)]).explain()["queryPlanner"]
        assert f"chesscoach_{field}" in str(plan["winningPlan"])


async def test_the_key_of_games_on_a_sharded_cluster_serves_too(
    empty_database: Database, db: Any
) -> None:
    db.games.create_index([("user_id", 1), ("game_id", 1)], unique=True)
    report = await wanted_indexes(empty_database).create()
    assert "games.chesscoach_game_id" in report.present
    await wanted_indexes(empty_database).require_unique("games")
    assert "chesscoach_game_id" not in index_names(db)["games"]


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        ([("game_id", "hashed")], {}),
        ([("game_id", 1)], {"unique": True, "partialFilterExpression": {"user_id": "x"}}),
        ([("user_id", 1), ("game_id", 1)], {}),
        ([("game_id", 1), ("user_id", 1)], {"unique": True}),
    ],
)
async def test_an_index_that_does_not_keep_the_promise_stays_and_ours_is_created_beside_it(
    empty_database: Database, db: Any, keys: list[tuple[str, Any]], options: Document
) -> None:
    db.games.create_index(keys, name="theirs", **options)
    with pytest.raises(SetupError, match=r"games: no unique index on \(game_id\)"):
        await wanted_indexes(empty_database).require_unique("games")
    report = await wanted_indexes(empty_database).create()
    assert "games.chesscoach_game_id" in report.made
    assert index_names(db)["games"] == {"theirs", *OWN_INDEXES["games"]}
    db.games.insert_one({"game_id": "g", "user_id": "a"})
    with pytest.raises(DuplicateKeyError):
        db.games.insert_one({"game_id": "g", "user_id": "b"})


async def test_a_different_index_with_our_name_stays_and_ours_is_created_under_another(
    empty_database: Database, db: Any
) -> None:
    db.games.create_index("game_id", name="chesscoach_game_id")
    report = await wanted_indexes(empty_database).create()
    assert set(report.made) == LABELS
    indexes = db.games.index_information()
    assert not indexes["chesscoach_game_id"].get("unique")
    assert indexes["chesscoach_game_id_ours"]["unique"]


async def test_the_indexes_of_former_names_serve(empty_database: Database, db: Any) -> None:
    db.users.create_index("user_id", name="chesscoach_user_id", unique=True)
    db.analysis_queue.create_index("queue_id", name="chesscoach_queue_id", unique=True)
    db.games.create_index([("user_id", 1), ("url", 1)], name="chesscoach_user_id_url")
    report = await wanted_indexes(empty_database).create()
    assert set(report.present) == {"users.chesscoach_user_id", "games.user_id_1_url_1"}


async def test_a_ttl_index_serves_only_with_our_time(empty_database: Database, db: Any) -> None:
    label = "email_events.at_1"
    for options in ({}, {"expireAfterSeconds": 60}):
        db.email_events.create_index("at", name="theirs", **options)
        assert label in await wanted_indexes(empty_database).missing()
        with pytest.raises(SetupError, match=r"email_events: an index on \(at\) exists with other"):
            await wanted_indexes(empty_database).create()
        assert "theirs" in db.email_events.index_information()
        db.email_events.drop_index("theirs")

    db.email_events.create_index("at", name="theirs", expireAfterSeconds=30 * 86_400)
    assert label in (await wanted_indexes(empty_database).create()).present
    db.email_events.drop_index("theirs")
    assert label in (await wanted_indexes(empty_database).create()).made
    assert db.email_events.index_information()["at_1"]["expireAfterSeconds"] == 2_592_000


@pytest.mark.parametrize(("collection", "field"), [("users", "user_id"), ("games", "game_id")])
async def test_duplicates_in_the_data_are_reported_and_nothing_is_lost(
    empty_database: Database, db: Any, collection: str, field: str
) -> None:
    db[collection].insert_many([{field: "planted"}, {field: "planted"}, {field: "other"}])
    with pytest.raises(SetupError, match=rf"{collection}: \({field}\) is not unique") as caught:
        await wanted_indexes(empty_database).create()
    assert "planted" not in str(caught.value)
    assert db[collection].count_documents({}) == 3
    db[collection].delete_one({field: "planted"})
    assert (
        f"{collection}.chesscoach_{field}" in (await wanted_indexes(empty_database).create()).made
    )


async def test_a_missing_unique_index_is_named_with_the_command_that_creates_it(
    empty_database: Database, db: Any
) -> None:
    for collection, field in (("users", "user_id"), ("games", "game_id")):
        with pytest.raises(
            SetupError,
            match=rf"^{collection}: no unique index on \({field}\): run `chesscoach db init`$",
        ):
            await wanted_indexes(empty_database).require_unique(collection)
    with pytest.raises(SetupError, match=r"^users: .* \(user_id\); games: .* \(game_id\): run "):
        await wanted_indexes(empty_database).require_unique("users", "games")
    await wanted_indexes(empty_database).require_unique(
        "job_runs", "sync_accounts", "analysis_queue"
    )
    await wanted_indexes(empty_database).create()
    await wanted_indexes(empty_database).require_unique("users", "games")
    db.games.drop_index("chesscoach_game_id")
    with pytest.raises(SetupError, match="games"):
        await wanted_indexes(empty_database).require_unique("users", "games")
