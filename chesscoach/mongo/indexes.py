"""Creates and checks the indexes that each slice declares, beside the application's own.

`chesscoach db init` and the demo create them, never a job. An index of the application with the
same keys serves as well, under any name. An index that contradicts a promise is reported and left
alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from pymongo.errors import CollectionInvalid, OperationFailure

from chesscoach.errors import SetupError
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.errors import translates_errors
from chesscoach.mongo.index import Index

MASS_DELETE_LIMIT = 10_000
"""A TTL index that would delete more documents than this at once is not created unasked."""

_COLLECTION_EXISTS, _NOT_UNIQUE, _OTHER_OPTIONS, _NOT_ALLOWED = 48, 11000, (85, 86), 13

# On a sharded cluster a unique index must begin with the shard key.
_SHARDED: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {
    ("games", ("game_id",)): ("user_id", "game_id")
}


class IndexReport(Struct, frozen=True, kw_only=True):
    """The wanted indexes by name: those created now, and those that existed.

    `waiting` maps each TTL index that was not created to the number of documents that it would
    delete at once.
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
        """Creates missing indexes; a TTL index that deletes many documents waits unless allowed.

        Raises:
            SetupError: an existing index of the same name or keys differs, the data contradict an
                index, or a right is missing. All other indexes are created; nothing is dropped.
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
        report, problems = IndexReport(made=[], present=[], waiting={}), list[str]()
        by_collection: dict[str, list[Index]] = {}
        for wanted in self._wanted:
            by_collection.setdefault(wanted.collection, []).append(wanted)
        await asyncio.gather(
            *(
                _create_on(database, wanted, report, problems, allow_mass_delete=allow_mass_delete)
                for wanted in by_collection.values()
            )
        )
        if problems:
            raise SetupError("; ".join(sorted(problems)))
        return report

    @translates_errors
    async def require_unique(self, *collections: str) -> None:
        """Checks the unique indexes that a job depends on.

        Raises:
            SetupError: an index is missing; the message names it and the command that creates it.
        """
        needed = [
            index for index in self._wanted if index.unique and index.collection in collections
        ]
        missing = [
            f"{wanted.collection}: no unique index on ({wanted.fields})"
            for wanted in needed
            if not await _is_present(self._database, wanted)
        ]
        if missing:
            msg = f"{'; '.join(missing)}: run `chesscoach db init`"
            raise SetupError(msg)

    @translates_errors
    async def missing(self) -> list[str]:
        """The names of the wanted indexes that do not exist."""
        return [
            wanted.label for wanted in self._wanted if not await _is_present(self._database, wanted)
        ]


async def _create_on(
    database: Database,
    wanted: list[Index],
    report: IndexReport,
    problems: list[str],
    *,
    allow_mass_delete: bool,
) -> None:
    """Creates the missing indexes of one collection: by one command, or one by one if it fails."""
    collection = database[wanted[0].collection]
    existing = dict(await collection.index_information())
    missing: list[Index] = []
    for declared in wanted:
        if _satisfies(existing, declared):
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
        await collection.create_indexes([declared.model() for declared in missing])
        report.made.extend(declared.label for declared in missing)
    except OperationFailure:  # one by one, so that the error names the index
        for declared in missing:
            try:
                await _create_index(database, declared)
                report.made.append(declared.label)
            except SetupError as error:
                problems.append(str(error))


async def _count_overdue(database: Database, declared: Index) -> int:
    """How many documents a TTL index would delete at once, counted up to a limit."""
    if declared.expire_after_s is None:
        return 0
    before = datetime.now(UTC) - timedelta(seconds=declared.expire_after_s)
    query = {declared.keys[0][0]: {"$lt": before}}
    return int(
        await database[declared.collection].count_documents(query, limit=10 * MASS_DELETE_LIMIT)
    )


async def _create_collection(database: Database, name: str) -> None:
    try:
        with suppress(CollectionInvalid):  # the driver has seen that it exists
            await database.create_collection(name)
    except OperationFailure as error:
        if error.code == _NOT_ALLOWED:
            raise _not_allowed(f"create the collection {name}") from None
        if error.code != _COLLECTION_EXISTS:  # another process has created it
            raise


def _not_allowed(what: str) -> SetupError:
    return SetupError(
        f"the user in MONGO_URL may not {what}: give it the role readWrite on the database, or run "
        "`chesscoach db init` as a user with that role; nothing was changed"
    )


async def _is_present(database: Database, declared: Index) -> bool:
    return _satisfies(dict(await database[declared.collection].index_information()), declared)


def _satisfies(existing: Mapping[str, Document], declared: Index) -> bool:
    """Whether an existing index, full or with a filter that serves, is as good as ours."""
    fields = tuple(field for field, _ in declared.keys)
    # The application's index on a field alone serves too, unique or not.
    served_by = {fields, fields[:-1]} if fields[-1] == "_id" and len(fields) == 2 else {fields}
    for index in existing.values():
        if not serves_partially(index, declared):
            continue
        keys, unique = tuple(field for field, _ in index["key"]), bool(index.get("unique"))
        if unique and keys == _SHARDED.get((declared.collection, fields)):
            return True
        same_ttl = declared.expire_after_s in (None, index.get("expireAfterSeconds"))
        if keys in served_by and same_ttl and (unique or not declared.unique):
            return True
    return False


def serves_partially(existing: Document, declared: Index) -> bool:
    """Whether an index has all documents that ours would have."""
    field, partial = declared.only_texts, existing.get("partialFilterExpression")
    filters: list[Document | None] = [None, declared.partial]
    filters += [{field: {"$exists": True}}, {field: {"$type": "string"}}] if field else []
    return partial in filters


async def _create_index(database: Database, declared: Index) -> None:
    """Creates one index, under another name if an index with other options has its name."""
    collection = database[declared.collection]
    try:
        try:
            await collection.create_indexes([declared.model()])
        except OperationFailure as error:
            if error.code not in _OTHER_OPTIONS:
                raise
            await collection.create_indexes([declared.model(f"{declared.name}_ours")])
    except OperationFailure as error:
        fields = declared.fields
        if error.code == _NOT_UNIQUE:
            msg = (
                f"{declared.collection}: ({fields}) is not unique in the data; "
                "find and remove the duplicates; nothing was changed"
            )
        elif error.code in _OTHER_OPTIONS:
            msg = (
                f"{declared.collection}: an index on ({fields}) exists with other options; "
                "drop it if it is not needed; nothing was changed"
            )
        elif error.code == _NOT_ALLOWED:
            raise _not_allowed(f"create an index on {declared.collection}") from None
        else:
            raise
        raise SetupError(msg) from None
