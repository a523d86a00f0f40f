"""The indexes that our queries and promises need, beside the application's own.

Made by `chesscoach db init` and by the demo, never by a job. An index of the application's with
the same keys serves as well, under whatever name; one that contradicts a promise is reported and
left alone.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from pymongo import IndexModel
from pymongo.errors import CollectionInvalid, OperationFailure

from chesscoach.errors import SetupError
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.errors import translates_errors


class Index(Struct, frozen=True, kw_only=True):
    """An index that we want: its collection and its keys in order.

    `having` is a field that a document needs to be in it, where it is of no use without.
    `expire_after_s`: the server removes documents so long after the date in the one key.
    """

    collection: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    only_if_exists: str | None = None
    expire_after_s: int | None = None

    @property
    def partial(self) -> Document | None:
        """The same in MongoDB's terms."""
        return {self.only_if_exists: {"$exists": True}} if self.only_if_exists else None

    @property
    def name(self) -> str:
        """Ours start with `chesscoach_`, so that nobody wonders where they come from."""
        return "chesscoach_" + "_".join(field.replace(".", "_") for field, _ in self.keys)

    @property
    def label(self) -> str:
        """The name with the collection's before it, for people."""
        return f"{self.collection}.{self.name}"

    @property
    def model(self) -> IndexModel:
        """The driver's word for it."""
        options: dict[str, Any] = (
            {"partialFilterExpression": self.partial} if self.only_if_exists else {}
        )
        if self.expire_after_s is not None:
            options["expireAfterSeconds"] = self.expire_after_s
        return IndexModel(list(self.keys), name=self.name, unique=self.unique, **options)


def _index(collection: str, *fields: str, unique: bool = False, having: str | None = None) -> Index:
    keys = tuple((field.removeprefix("-"), -1 if field[0] == "-" else 1) for field in fields)
    return Index(collection=collection, keys=keys, unique=unique, only_if_exists=having)


def _ttl_index(collection: str, field: str, days: int) -> Index:
    return Index(collection=collection, keys=((field, 1),), expire_after_s=days * 86_400)


INDEXES = (
    _index("users", "user_id", unique=True),  # walking all users page by page
    _index("games", "game_id", unique=True),  # one game once per user
    _index("games", "user_id", "url"),  # knowing what the application imported
    # A week's games: by their end, or by their import where it has to be looked for in the PGN.
    _index("games", "user_id", "ended_at", "imported_at"),
    _index("game_analyses", "user_id", "created_at"),  # a week's analyses
    _index("reflection_results", "user_id", "created_at"),  # a week's answers
    _index("player_profiles", "user_id"),  # the profiles of a batch of players
    _index("user_progress", "user_id"),  # their streaks and levels
    _index("analysis_queue", "queue_id", unique=True),  # one item per game
    _index("analysis_queue", "user_id", "created_at"),  # the day's allowance
    # For the cleanup: what has waited, or was worked, for too long; what was read long ago; mails
    # that came to their end; days that are long past.
    _index("analysis_queue", "status", "created_at"),
    _index("notifications", "read", "created_at"),
    _index("email_outbox", "state", "finished_at"),
    _index("performance_snapshots", "local_date"),
    _index("sync_accounts", "platform", "due_at", "_id"),  # who is due, stalest first
    _index("sync_accounts", "links.user_id"),  # a user's accounts
    _index("email_outbox", "week", "state", "_id"),  # what a week still owes
    _index("email_outbox", "user_id", "-week"),  # a user's mails
    _index("job_runs", "schedule", "-slot"),  # a schedule's newest slot
    _index("job_runs", "outcome", "-started_at"),  # runs that are open
    # A job's last success, how runs ended; claims are spared it.
    _index("job_runs", "job", "outcome", "-finished_at", having="finished_at"),
    _index("job_runs", "-started_at"),  # the newest runs, and those to be forgotten
    _ttl_index("email_events", "at", days=30),  # SendGrid repeats an event for a day or so
    _ttl_index("user_sessions", "expires_at", days=0),  # as the application's schema has it
)
COLLECTIONS = (
    "job_runs",
    "job_leases",
    "schedules",
    "sync_accounts",
    "email_outbox",
    "email_suppressions",
    "email_events",
    "performance_snapshots",
)

MASS_DELETE_LIMIT = 10_000
"""So many overdue rows the server would delete at one go once a TTL index is there: too many."""

_COLLECTION_EXISTS, _NOT_UNIQUE, _OTHER_OPTIONS, _NOT_ALLOWED = 48, 11000, (85, 86), 13

# On a sharded cluster a unique index must begin with the shard key.
_SHARDED: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {
    ("games", ("game_id",)): ("user_id", "game_id")
}


class IndexReport(Struct, frozen=True, kw_only=True):
    """What became of the indexes that we need, by name.

    `waiting` maps a TTL index that was not made to how many rows the server would delete at once.
    """

    made: list[str]
    present: list[str]
    waiting: dict[str, int]


@translates_errors
async def create(database: Database, *, storm: bool = False) -> IndexReport:
    """Makes what is missing; with `storm` also TTL indexes that will delete a great deal at once.

    Raises:
        SetupError: an index of the same name or keys is not as we need it, the data contradict it,
            or we may not. All others are made, nothing is dropped.
    """
    there = set(await database.list_collection_names())
    await asyncio.gather(
        *(_create_collection(database, name) for name in COLLECTIONS if name not in there)
    )
    report, wrong = IndexReport(made=[], present=[], waiting={}), list[str]()
    by_collection: dict[str, list[Index]] = {}
    for index in INDEXES:
        by_collection.setdefault(index.collection, []).append(index)
    await asyncio.gather(
        *(
            _create_on(database, wanted, report, wrong, storm=storm)
            for wanted in by_collection.values()
        )
    )
    if wrong:
        raise SetupError("; ".join(sorted(wrong)))
    return report


async def _create_on(
    database: Database, wanted: list[Index], report: IndexReport, wrong: list[str], *, storm: bool
) -> None:
    """The same for one collection: in one command, or one by one where that is refused."""
    collection = database[wanted[0].collection]
    standing = dict(await collection.index_information())
    missing: list[Index] = []
    for index in wanted:
        if _satisfies(standing, index):
            report.present.append(index.label)
        elif not storm and (overdue := await _count_overdue(database, index)) > MASS_DELETE_LIMIT:
            report.waiting[index.label] = overdue
        else:
            missing.append(index)
    if not missing:
        return
    try:
        await collection.create_indexes([index.model for index in missing])
        report.made.extend(index.label for index in missing)
    except OperationFailure:  # which of them it is is told when they are made alone
        for index in missing:
            try:
                await _make(database, index)
                report.made.append(index.label)
            except SetupError as error:
                wrong.append(str(error))


async def _count_overdue(database: Database, index: Index) -> int:
    """How many rows a TTL index would have deleted at once, as far as that matters."""
    if index.expire_after_s is None:
        return 0
    before = datetime.now(UTC) - timedelta(seconds=index.expire_after_s)
    query = {index.keys[0][0]: {"$lt": before}}
    return int(
        await database[index.collection].count_documents(query, limit=10 * MASS_DELETE_LIMIT)
    )


@translates_errors
async def require_unique(database: Database, *collections: str) -> None:
    """Checks the unique indexes that a job's promises rest on.

    Raises:
        SetupError: one is missing; the message names it and the way out.
    """
    for index in INDEXES:
        if (
            index.unique
            and index.collection in collections
            and not await _is_present(database, index)
        ):
            fields = ", ".join(field for field, _ in index.keys)
            msg = f"{index.collection}: no unique index on ({fields}): run `chesscoach db init`"
            raise SetupError(msg)


@translates_errors
async def missing(database: Database) -> list[str]:
    """The names of the indexes that do not stand, as `create` reports them."""
    return [index.label for index in INDEXES if not await _is_present(database, index)]


async def _create_collection(database: Database, name: str) -> None:
    try:
        with suppress(CollectionInvalid):  # it is there, as the driver has seen for itself
            await database.create_collection(name)
    except OperationFailure as error:
        if error.code == _NOT_ALLOWED:
            raise _not_allowed(f"make the collection {name}") from None
        if error.code != _COLLECTION_EXISTS:  # made by somebody else meanwhile
            raise


def _not_allowed(what: str) -> SetupError:
    return SetupError(
        f"the user in MONGO_URL may not {what}: give it the role readWrite on the database, or let "
        "somebody who has it run `chesscoach db init`; nothing was changed"
    )


async def _is_present(database: Database, index: Index) -> bool:
    return _satisfies(dict(await database[index.collection].index_information()), index)


def _satisfies(standing: Mapping[str, Document], index: Index) -> bool:
    """Whether one of a collection's indexes, whole or as partial as ours, does what ours is for."""
    fields = tuple(field for field, _ in index.keys)
    for found in standing.values():
        if found.get("partialFilterExpression") not in (None, index.partial):
            continue
        keys, unique = tuple(field for field, _ in found["key"]), bool(found.get("unique"))
        if unique and keys == _SHARDED.get((index.collection, fields)):
            return True
        kept = index.expire_after_s in (None, found.get("expireAfterSeconds"))
        if keys == fields and kept and (unique or not index.unique):
            return True
    return False


async def _make(database: Database, index: Index) -> None:
    try:
        await database[index.collection].create_indexes([index.model])
    except OperationFailure as error:
        fields = ", ".join(field for field, _ in index.keys)
        if error.code == _NOT_UNIQUE:
            msg = (
                f"{index.collection}: ({fields}) is not unique in the data; "
                "find and mend the duplicates, nothing was changed"
            )
        elif error.code in _OTHER_OPTIONS:
            msg = (
                f"{index.collection}: an index on ({fields}) exists with other options; "
                "drop it if it is not needed as it is, nothing was changed"
            )
            named = (await database[index.collection].index_information()).get(index.name)
            if named is not None and dict(named["key"]) != dict(index.keys):
                msg = (
                    f"{index.collection}: the index {index.name} is not on ({fields}), as we need "
                    "it; drop it if nobody needs it, nothing was changed"
                )
        elif error.code == _NOT_ALLOWED:
            raise _not_allowed(f"make an index on {index.collection}") from None
        else:
            raise
        raise SetupError(msg) from None
