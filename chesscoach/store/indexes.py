"""The indexes that our queries and promises need, beside the application's own.

Made by `chesscoach db init` and by the demo, never by a job. An index of the application's with
the same keys serves as well, under whatever name; one that contradicts a promise is reported and
left alone.
"""

from contextlib import suppress
from typing import Any

from msgspec import Struct
from pymongo.errors import CollectionInvalid, OperationFailure

from chesscoach.errors import SetupError
from chesscoach.store.client import Database, Document
from chesscoach.store.faults import spoken


class Index(Struct, frozen=True, kw_only=True):
    """An index that we want: its collection and its keys in order.

    `having` is a field that a document needs to be in it, where it is of no use without.
    """

    collection: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    having: str | None = None

    @property
    def partial(self) -> Document | None:
        """The same in MongoDB's terms."""
        return {self.having: {"$exists": True}} if self.having else None

    @property
    def name(self) -> str:
        """Ours start with `chesscoach_`, so that nobody wonders where they come from."""
        return "chesscoach_" + "_".join(field.replace(".", "_") for field, _ in self.keys)


def _on(collection: str, *fields: str, unique: bool = False, having: str | None = None) -> Index:
    keys = tuple((field.removeprefix("-"), -1 if field[0] == "-" else 1) for field in fields)
    return Index(collection=collection, keys=keys, unique=unique, having=having)


INDEXES = (
    _on("users", "user_id", unique=True),  # walking all users page by page
    _on("games", "game_id", unique=True),  # one game once per user
    _on("games", "user_id", "url"),  # knowing what the application imported
    _on("analysis_queue", "queue_id", unique=True),  # one item per game
    _on("analysis_queue", "user_id", "created_at"),  # the day's allowance
    _on("sync_accounts", "platform", "due_at", "_id"),  # who is due, stalest first
    _on("sync_accounts", "links.user_id"),  # a user's accounts
    _on("job_runs", "schedule", "-slot"),  # a schedule's newest slot
    _on("job_runs", "outcome", "-started_at"),  # runs that are open
    # A job's last success, how runs ended; claims are spared it.
    _on("job_runs", "job", "outcome", "-finished_at", having="finished_at"),
    _on("job_runs", "-started_at"),  # the newest runs, and those to be forgotten
)
COLLECTIONS = ("job_runs", "job_leases", "schedules", "sync_accounts")

_EXISTS, _NOT_UNIQUE, _OTHER_OPTIONS = 48, 11000, (85, 86)

# On a sharded cluster a unique index must begin with the shard key.
_SHARDED: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {
    ("games", ("game_id",)): ("user_id", "game_id")
}


@spoken
async def create(database: Database) -> dict[str, list[str]]:
    """Makes what is missing; returns the names made and those that stood already.

    Raises:
        SetupError: an index of the same keys lacks the uniqueness that we need, or the data
            contradict it. Nothing is dropped.
    """
    report: dict[str, list[str]] = {"made": [], "present": []}
    for name in COLLECTIONS:
        with suppress(CollectionInvalid):
            await _create_collection(database, name)
    for index in INDEXES:
        label = f"{index.collection}.{index.name}"
        if await _present(database, index):
            report["present"].append(label)
        else:
            await _make(database, index)
            report["made"].append(label)
    return report


@spoken
async def require(database: Database, *collections: str) -> None:
    """Checks the unique indexes that a job's promises rest on.

    Raises:
        SetupError: one is missing; the message names it and the way out.
    """
    for index in INDEXES:
        if index.unique and index.collection in collections and not await _present(database, index):
            fields = ", ".join(field for field, _ in index.keys)
            msg = f"{index.collection}: no unique index on ({fields}): run `chesscoach db init`"
            raise SetupError(msg)


@spoken
async def missing(database: Database) -> list[str]:
    """The names of the indexes that do not stand, as `create` reports them."""
    return [
        f"{index.collection}.{index.name}"
        for index in INDEXES
        if not await _present(database, index)
    ]


async def _create_collection(database: Database, name: str) -> None:
    try:
        await database.create_collection(name)
    except OperationFailure as error:
        if error.code != _EXISTS:  # made by somebody else meanwhile
            raise


async def _present(database: Database, index: Index) -> bool:
    fields = tuple(field for field, _ in index.keys)
    standing = await _standing(database, index.collection, index.partial)
    for keys, unique in standing:
        if unique and keys == _SHARDED.get((index.collection, fields)):
            return True
        if keys == fields and (unique or not index.unique):
            return True
    return False


async def _standing(
    database: Database, collection: str, partial: Document | None
) -> list[tuple[tuple[str, ...], bool]]:
    """A collection's indexes, whole or as partial as ours: the fields, whether they are unique."""
    found: dict[str, Document] = dict(await database[collection].index_information())
    return [
        (tuple(field for field, _ in index["key"]), bool(index.get("unique")))
        for index in found.values()
        if index.get("partialFilterExpression") in (None, partial)
    ]


async def _make(database: Database, index: Index) -> None:
    try:
        options: dict[str, Any] = {"partialFilterExpression": index.partial} if index.having else {}
        await database[index.collection].create_index(
            list(index.keys), name=index.name, unique=index.unique, **options
        )
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
        else:
            raise
        raise SetupError(msg) from None
