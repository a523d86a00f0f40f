"""How a database's indexes stand beside what we need, and how the server would work our queries.

Nothing here changes anything. Queries are not guessed at: they are overheard while the store's own
methods make them, and the server is asked to explain those very commands.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from pymongo import monitoring
from pymongo.errors import OperationFailure

from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.errors import translates_errors
from chesscoach.mongo.indexes import INDEXES, Index

_NO_SUCH_COLLECTION, _NOT_ALLOWED = 26, 13
_READ_COMMANDS = ("find", "aggregate", "count", "distinct")
_DRIVER_FIELDS = {
    "$db",
    "lsid",
    "$clusterTime",
    "$readPreference",
    "readConcern",
    "txnNumber",
    "$query",
}
"""What the driver adds to a command; `explain` takes some of it for itself."""


class IndexUsage(Struct, frozen=True, kw_only=True):
    """How often an index has served since the server began to count."""

    name: str
    times: int
    since: datetime


class QueryRecorder(monitoring.CommandListener):
    """Keeps the reads that a client makes; the driver calls it in its threads."""

    def __init__(self) -> None:
        self.commands: list[Document] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Keeps it, if it is a read."""
        if event.command_name in _READ_COMMANDS:
            self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to do."""


@translates_errors
async def drifting_indexes(database: Database) -> list[str]:
    """Indexes of the name or the keys of one of ours that are not as ours must be, and how."""
    told = []
    for index in INDEXES:
        standing = dict(await database[index.collection].index_information())
        told += [
            f"{index.collection}.{name}: {how}"
            for name, found in standing.items()
            if (how := _drift(index, name, found))
            and not _is_served(index, {key: each for key, each in standing.items() if key != name})
        ]
    return told


def _drift(index: Index, name: str, found: Mapping[str, Any]) -> str | None:
    """How a standing index contradicts one of ours; None if it does not, or is another."""
    keys = tuple((field, int(way)) for field, way in found["key"] if way in (1, -1))
    wanted = ", ".join(field for field, _ in index.keys)
    if keys != index.keys:
        return f"should be on ({wanted})" if name == index.name else None
    if index.unique and not found.get("unique"):
        return f"({wanted}) should be unique"
    if found.get("partialFilterExpression") not in (None, index.partial):
        return f"({wanted}) should not be partial in that way"
    if found.get("sparse"):
        return f"({wanted}) should not be sparse"
    if index.expire_after_s not in (None, found.get("expireAfterSeconds")):
        kept = found.get("expireAfterSeconds")
        return f"({wanted}) should let rows go after {index.expire_after_s} s, not {kept}"
    return None


def _is_served(index: Index, others: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether another index does what ours is for."""
    return any(
        tuple((field, way) for field, way in found["key"]) == index.keys
        and _drift(index, name, found) is None
        for name, found in others.items()
    )


@translates_errors
async def index_usage(database: Database) -> list[IndexUsage] | None:
    """How often each of ours has served, the least first; None if we may not ask."""
    found: list[IndexUsage] = []
    for collection in sorted({index.collection for index in INDEXES}):
        names = {index.name for index in INDEXES if index.collection == collection}
        try:
            rows = await database[collection].aggregate([{"$indexStats": {}}]).to_list(None)
        except OperationFailure as error:
            if error.code == _NOT_ALLOWED:
                return None
            raise
        found += [
            IndexUsage(
                name=f"{collection}.{row['name']}",
                times=int(row["accesses"]["ops"]),
                since=row["accesses"]["since"],
            )
            for row in rows
            if row["name"] in names
        ]
    return sorted(found, key=lambda use: (use.times, use.name))


async def scanned_collections(
    database: Database, heard: QueryRecorder, read: Callable[[], Awaitable[object]]
) -> set[str]:
    """The collections that the server reads whole for what a method of the store asks it."""
    heard.commands.clear()
    await read()
    whole: set[str] = set()
    for command in list(heard.commands):
        whole |= await _scanned_by_command(database, command)
    return whole


@translates_errors
async def _scanned_by_command(database: Database, command: Document) -> set[str]:
    asked = {key: value for key, value in command.items() if key not in _DRIVER_FIELDS}
    try:
        plan = await database.command({"explain": asked, "verbosity": "queryPlanner"})
    except OperationFailure as error:
        if error.code == _NO_SUCH_COLLECTION:
            return set()
        raise
    return set(_scans(plan, ""))


def _scans(plan: object, namespace: str) -> Iterator[str]:
    """The collections of a plan's COLLSCAN stages, wherever in it they stand."""
    if isinstance(plan, Mapping):
        namespace = str(plan.get("namespace") or namespace)
        if plan.get("stage") == "COLLSCAN":
            yield namespace.partition(".")[2] or namespace
        for key, value in plan.items():
            if key != "rejectedPlans":
                yield from _scans(value, namespace)
    elif isinstance(plan, list):
        for value in plan:
            yield from _scans(value, namespace)
