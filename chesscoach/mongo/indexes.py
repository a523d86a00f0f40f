"""Makes and checks the indexes that each slice declares, beside the application's own.

Made by `chesscoach db init` and by the demo, never by a job. An index of the application's with
the same keys serves as well, under whatever name; one that contradicts a promise is reported and
left alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
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


def index(
    collection: str, *fields: str, unique: bool = False, only_if_exists: str | None = None
) -> Index:
    """An index on fields in their order; `-field` is descending."""
    keys = tuple((field.removeprefix("-"), -1 if field[0] == "-" else 1) for field in fields)
    return Index(collection=collection, keys=keys, unique=unique, only_if_exists=only_if_exists)


def ttl_index(collection: str, field: str, days: int) -> Index:
    """An index by which the server deletes documents so many days after a date."""
    return Index(collection=collection, keys=((field, 1),), expire_after_s=days * 86_400)


MASS_DELETE_LIMIT = 10_000
"""A TTL index that would make the server delete more documents than this at once must wait."""

_COLLECTION_EXISTS, _NOT_UNIQUE, _OTHER_OPTIONS, _NOT_ALLOWED = 48, 11000, (85, 86), 13

# On a sharded cluster a unique index must begin with the shard key.
_SHARDED: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {
    ("games", ("game_id",)): ("user_id", "game_id")
}


class IndexReport(Struct, frozen=True, kw_only=True):
    """What became of the wanted indexes, by name.

    `waiting` maps a TTL index that was not made to how many documents the server would delete at
    once.
    """

    made: list[str]
    present: list[str]
    waiting: dict[str, int]


class Indexes:
    """The wanted indexes and collections of a database."""

    def __init__(
        self, database: Database, wanted: Sequence[Index], collections: Sequence[str]
    ) -> None:
        self._database = database
        self._wanted = wanted
        self._collections = collections

    @translates_errors
    async def create(self, *, allow_mass_delete: bool = False) -> IndexReport:
        """Makes what is missing; a TTL index that would delete a great deal waits unless allowed.

        Raises:
            SetupError: an index of the same name or keys is not as we need it, the data contradict
                it, or we may not. All others are made, nothing is dropped.
        """
        database = self._database
        existing = set(await database.list_collection_names())
        await asyncio.gather(
            *(
                _create_collection(database, name)
                for name in self._collections
                if name not in existing
            )
        )
        report, wrong = IndexReport(made=[], present=[], waiting={}), list[str]()
        by_collection: dict[str, list[Index]] = {}
        for wanted in self._wanted:
            by_collection.setdefault(wanted.collection, []).append(wanted)
        await asyncio.gather(
            *(
                _create_on(database, wanted, report, wrong, allow_mass_delete=allow_mass_delete)
                for wanted in by_collection.values()
            )
        )
        if wrong:
            raise SetupError("; ".join(sorted(wrong)))
        return report

    @translates_errors
    async def require_unique(self, *collections: str) -> None:
        """Checks the unique indexes that a job's promises rest on.

        Raises:
            SetupError: one is missing; the message names it and the way out.
        """
        for wanted in self._wanted:
            needed = wanted.unique and wanted.collection in collections
            if needed and not await _is_present(self._database, wanted):
                fields = ", ".join(field for field, _ in wanted.keys)
                msg = (
                    f"{wanted.collection}: no unique index on ({fields}): run `chesscoach db init`"
                )
                raise SetupError(msg)

    @translates_errors
    async def missing(self) -> list[str]:
        """The names of the wanted indexes that do not exist, as `create` reports them."""
        return [
            wanted.label for wanted in self._wanted if not await _is_present(self._database, wanted)
        ]


async def _create_on(
    database: Database,
    wanted: list[Index],
    report: IndexReport,
    wrong: list[str],
    *,
    allow_mass_delete: bool,
) -> None:
    """The same for one collection: in one command, or one by one where that is refused."""
    collection = database[wanted[0].collection]
    standing = dict(await collection.index_information())
    missing: list[Index] = []
    for declared in wanted:
        if _satisfies(standing, declared):
            report.present.append(declared.label)
        elif (
            not allow_mass_delete
            and (overdue := await _count_overdue(database, declared)) > MASS_DELETE_LIMIT
        ):
            report.waiting[declared.label] = overdue
        else:
            missing.append(declared)
    if not missing:
        return
    try:
        await collection.create_indexes([declared.model for declared in missing])
        report.made.extend(declared.label for declared in missing)
    except OperationFailure:  # which of them it is is told when they are made alone
        for declared in missing:
            try:
                await _make(database, declared)
                report.made.append(declared.label)
            except SetupError as error:
                wrong.append(str(error))


async def _count_overdue(database: Database, declared: Index) -> int:
    """How many rows a TTL index would have deleted at once, as far as that matters."""
    if declared.expire_after_s is None:
        return 0
    before = datetime.now(UTC) - timedelta(seconds=declared.expire_after_s)
    query = {declared.keys[0][0]: {"$lt": before}}
    return int(
        await database[declared.collection].count_documents(query, limit=10 * MASS_DELETE_LIMIT)
    )


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


async def _is_present(database: Database, declared: Index) -> bool:
    return _satisfies(dict(await database[declared.collection].index_information()), declared)


def _satisfies(standing: Mapping[str, Document], declared: Index) -> bool:
    """Whether one of a collection's indexes, whole or as partial as ours, does what ours is for."""
    fields = tuple(field for field, _ in declared.keys)
    for found in standing.values():
        if found.get("partialFilterExpression") not in (None, declared.partial):
            continue
        keys, unique = tuple(field for field, _ in found["key"]), bool(found.get("unique"))
        if unique and keys == _SHARDED.get((declared.collection, fields)):
            return True
        kept = declared.expire_after_s in (None, found.get("expireAfterSeconds"))
        if keys == fields and kept and (unique or not declared.unique):
            return True
    return False


async def _make(database: Database, declared: Index) -> None:
    try:
        await database[declared.collection].create_indexes([declared.model])
    except OperationFailure as error:
        fields = ", ".join(field for field, _ in declared.keys)
        if error.code == _NOT_UNIQUE:
            msg = (
                f"{declared.collection}: ({fields}) is not unique in the data; "
                "find and mend the duplicates, nothing was changed"
            )
        elif error.code in _OTHER_OPTIONS:
            msg = (
                f"{declared.collection}: an index on ({fields}) exists with other options; "
                "drop it if it is not needed as it is, nothing was changed"
            )
            named = (await database[declared.collection].index_information()).get(declared.name)
            if named is not None and dict(named["key"]) != dict(declared.keys):
                msg = (
                    f"{declared.collection}: the index {declared.name} is not on ({fields}), "
                    "as we need "
                    "it; drop it if nobody needs it, nothing was changed"
                )
        elif error.code == _NOT_ALLOWED:
            raise _not_allowed(f"make an index on {declared.collection}") from None
        else:
            raise
        raise SetupError(msg) from None
