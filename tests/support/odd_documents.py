"""Documents with values of the wrong type in any field."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bson import (
    Binary,
    Code,
    DatetimeMS,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo.errors import BulkWriteError

from chesscoach.context import Context
from tests.conftest import FakeSites
from tests.support.processes import run
from tests.support.sync.sync_members import add_member, before_now

MISSING = object()
ODD_VALUES: list[Any] = [
    *(
        MISSING, None, True, 7, -1, Int64(2**62), 1.5, float("nan"), float("inf"), "", "text",
        "\x00",
    ),
    *([], ["x"], [{}], [None], {}, {"a": 1}, Binary(b"\xff"), Binary(b"x" * 16, 4), ObjectId()),
    *(Code("x"), Code("x", {"y": 1}), Decimal128("NaN"), Regex("a"), MinKey(), MaxKey()),
    *(
        Timestamp(1, 1),
        DatetimeMS(2**60),
        DatetimeMS(-(2**60)),
        datetime(1, 1, 1, tzinfo=UTC),
        DBRef("a", 1),
    ),
]  # fmt: skip


def paths(document: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted path of each field of a document, of its first inner documents too."""
    for name, value in document.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from paths(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from paths(value[0], f"{prefix}{name}.0.")


def with_value(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a document with another value at a path."""
    copy: Any = _copy(document)
    place, (*keys, last) = copy, path.split(".")
    for key in keys:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return dict(copy)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def odd_copies(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Copies of a document, each with a wrong value in one field."""
    number = 0
    for path in paths(document):
        for value in ODD_VALUES:
            copy = with_value(document, path, value)
            number += 1
            for key in ("_id", "user_id", "game_id", "session_token", "email", "url"):
                if key in copy and isinstance(copy[key], str) and path != key:
                    copy[key] = f"{copy[key]}{number}"
            if path != "_id" and isinstance(copy["_id"], ObjectId):
                copy["_id"] = ObjectId()
            if path == "_id" and (value is MISSING or isinstance(value, (list, Regex))):
                continue  # MongoDB refuses these
            yield copy


def any_date(collection: Any) -> Any:
    """A collection whose dates may lie outside Python's years."""
    options = CodecOptions[Any](datetime_conversion=DatetimeConversion.DATETIME_AUTO)
    return collection.with_options(options)


def insert_errors(collection: Any, documents: list[dict[str, Any]]) -> set[int]:
    """Inserts documents; the codes of the errors."""
    try:
        any_date(collection).insert_many(documents, ordered=False)
    except BulkWriteError as error:
        return {failure["code"] for failure in error.details["writeErrors"]}
    return set()


def add_odd_copies(db: Any) -> None:
    """Adds to each collection odd copies of two of its documents."""
    good = {
        name: list(db[name].find({"_id": {"$ne": "#changes"}}).limit(2))
        for name in db.list_collection_names()
    }
    for name, documents in good.items():
        for document in documents:
            assert insert_errors(db[name], list(odd_copies(document))) <= {11000}, name


async def add_good_documents(
    ctx: Context, db: Any, sites: FakeSites, environment: dict[str, str]
) -> None:
    """Fills a database with a good document of each kind."""
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com", synced=before_now(days=1))
    sites.world.add_game("chess.com", "Ann", before_now(days=1))
    sites.world.add_game("lichess", "Ann", before_now(days=1))
    for args in (("sync_games", "--all"), ("sync_games", "--scheduled")):
        done = await run(environment, f"chesscoach.jobs.{args[0]}", *args[1:])
        assert done.code == 0, done.out
    now = before_now(days=1)
    db.schedules.insert_one(
        {
            "_id": "mine",
            "spec": {"job": "sync_games", "cron": "0 3 * * *", "args": {"all": True}},
            "origin": "user",
            "revision": 1,
            "since": now,
            "paused": False,
            "edited": False,
            "retired": False,
            "quarantined": None,
            "owed": None,
            "configured": None,
            "history": [{"at": now, "what": "added", "state": "active", "trigger": "0 3 * * *"}],
        }
    )
    db.email_outbox.insert_one(
        {
            "_id": "weekly:ann:2026-W42", "kind": "weekly", "user_id": "ann", "week": "2026-W42",
            "state": "sent", "reason": None, "attempts": 1, "resends": 0, "fence": 1,
            "lease": "weekly_emails", "claim": None, "created_at": now, "claimed_at": now,
            "until": now, "finished_at": now, "message_id": "m",
        }
    )  # fmt: skip
    db.email_suppressions.insert_one(
        {"_id": "ann@example.org", "reason": "bounce", "at": now, "event_id": "e"}
    )
    text = now.isoformat()
    db.notifications.insert_one({"user_id": "ann", "read": True, "created_at": text, "type": "x"})
    db.user_sessions.insert_one({"session_token": "t", "user_id": "ann", "expires_at": text})
    db.player_profiles.insert_one({"user_id": "ann", "top_weaknesses": [{"category": "a"}]})
