import asyncio
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from chesscoach.context import COLLECTIONS, INDEXES, Context
from chesscoach.errors import SetupError
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.indexes import Indexes

OWN_INDEXES = {
    "users": {"chesscoach_user_id"},
    "games": {
        "chesscoach_game_id",
        "chesscoach_user_id_url",
        "chesscoach_user_id_ended_at_imported_at",
    },
    "game_analyses": {"chesscoach_user_id_created_at"},
    "reflection_results": {"chesscoach_user_id_created_at"},
    "player_profiles": {"chesscoach_user_id"},
    "user_progress": {"chesscoach_user_id"},
    "analysis_queue": {
        "chesscoach_queue_id",
        "chesscoach_user_id_created_at",
        "chesscoach_status_created_at",
    },
    "notifications": {"chesscoach_read_created_at"},
    "performance_snapshots": {"chesscoach_local_date"},
    "sync_accounts": {"chesscoach_platform_due_at__id", "chesscoach_links_user_id"},
    "job_runs": {
        "chesscoach_schedule_slot",
        "chesscoach_job_outcome_finished_at",
        "chesscoach_outcome_started_at",
        "chesscoach_started_at",
    },
    "email_events": {"chesscoach_at"},
    "user_sessions": {"chesscoach_expires_at"},
    "email_outbox": {
        "chesscoach_week_state__id",
        "chesscoach_user_id_week",
        "chesscoach_state_finished_at",
    },
}
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
    db.users.create_index("user_id", unique=True, name="users_pk")
    db.users.create_index("email", unique=True)
    db.games.create_index("game_id", unique=True, name="the_applications_own")
    db.games.create_index([("user_id", 1), ("platform", 1)])
    db.games.create_index([("user_id", 1), ("is_analyzed", 1)])
    db.analysis_queue.create_index("queue_id", unique=True)
    before = {name: db[name].index_information() for name in ("users", "games", "analysis_queue")}
    report = await wanted_indexes(empty_database).create()
    assert set(report.present) == {
        "users.chesscoach_user_id",
        "games.chesscoach_game_id",
        "analysis_queue.chesscoach_queue_id",
    }
    assert set(report.made) == LABELS - set(report.present)
    for name, old in before.items():
        new = db[name].index_information()
        assert old.items() <= new.items()
        keys = [(index["key"], bool(index.get("unique"))) for index in new.values()]
        assert len(keys) == len({str(key) for key in keys})
        assert set(new) - set(old) <= OWN_INDEXES[name] - {
            "chesscoach_game_id",
            "chesscoach_user_id",
        }
    await wanted_indexes(empty_database).require_unique("users", "games", "analysis_queue")


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
        ([("game_id", 1)], {}),
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


async def test_a_different_index_with_our_name_is_reported_and_not_dropped(
    empty_database: Database, db: Any
) -> None:
    db.games.create_index("game_id", name="chesscoach_game_id")
    with pytest.raises(SetupError, match=r"games: an index on \(game_id\) exists with other opt"):
        await wanted_indexes(empty_database).create()
    assert "chesscoach_game_id" in index_names(db)["games"]
    assert not db.games.index_information()["chesscoach_game_id"].get("unique")


async def test_a_ttl_index_serves_only_with_our_time(empty_database: Database, db: Any) -> None:
    label = "email_events.chesscoach_at"
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
    assert db.email_events.index_information()["chesscoach_at"]["expireAfterSeconds"] == 2_592_000


@pytest.mark.parametrize(
    ("collection", "field"),
    [("users", "user_id"), ("games", "game_id"), ("analysis_queue", "queue_id")],
)
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
    for collection, field in (
        ("users", "user_id"), ("games", "game_id"), ("analysis_queue", "queue_id"),
    ):  # fmt: skip
        with pytest.raises(
            SetupError,
            match=rf"^{collection}: no unique index on \({field}\): run `chesscoach db init`$",
        ):
            await wanted_indexes(empty_database).require_unique(collection)
    await wanted_indexes(empty_database).require_unique("job_runs", "sync_accounts")
    await wanted_indexes(empty_database).create()
    await wanted_indexes(empty_database).require_unique("users", "games", "analysis_queue")
    db.games.drop_index("chesscoach_game_id")
    with pytest.raises(SetupError, match="games"):
        await wanted_indexes(empty_database).require_unique("users", "games", "analysis_queue")
