"""Schedules as they are kept: what the configuration lays in, and what operators make of it.

A row is `{_id: id, spec, origin, revision, since, …}` in `schedules`. Nothing is ever deleted by
the configuration: an entry that is taken out of it is retired, and one that an operator has paused
or edited stays as he left it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chesscoach.errors import ConfigError
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.errors import spoken
from chesscoach.schedules.schedule import Schedule

Origin = Literal["config", "user"]
_CHANGES = "#changes"
EVERY = {"_id": {"$ne": _CHANGES}}
"""The filter that leaves out what is no schedule."""
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_KEPT = 50
"""Changes that are remembered of a schedule, the last ones."""

What = Literal[
    "added",
    "edited",  # by an operator
    "changed",  # by the configuration
    "paused",
    "resumed",
    "retired",
    "returned",
    "quarantined",
    "released",
]


class Change(Struct, frozen=True, kw_only=True):
    """What was done to a schedule, and what it has been since."""

    at: datetime
    what: What
    state: str
    trigger: str


class Stored(Struct, frozen=True, kw_only=True):
    """A schedule with its history.

    Slots up to `since` are none of ours: it was made, resumed or edited then. `owed` is a slot of
    before an edit that was due and not worked yet. `configured` is what the configuration says of
    a schedule that an operator has `edited`. `quarantined` is why it cannot be run at all; one
    that is `unreadable` has a stand-in for its schedule. One that stands in the configuration and
    is not stored yet has the revision 0.
    """

    id: str
    schedule: Schedule
    origin: Origin
    revision: int
    since: datetime
    paused: bool = False
    edited: bool = False
    retired: bool = False
    quarantined: str | None = None
    owed: datetime | None = None
    configured: Schedule | None = None
    history: tuple[Change, ...] = ()
    unreadable: bool = False

    @property
    def active(self) -> bool:
        """Whether its slots are worked."""
        off = self.paused or self.retired or self.quarantined is not None
        return self.schedule.enabled and not off

    @property
    def state(self) -> str:
        """In a word, for people."""
        if self.quarantined is not None:
            return "quarantined"
        for word in ("retired", "paused"):
            if getattr(self, word):
                return word
        return "active" if self.schedule.enabled else "disabled"

    def state_at(self, instant: datetime) -> str | None:
        """The state that it was in; None if that is not remembered."""
        known = [change.state for change in self.history if change.at <= instant]
        return known[-1] if known else None

    def noted(self, what: What, at: datetime, **fields: Any) -> Change:
        """A change of some fields, as it is remembered."""
        after = msgspec.structs.replace(self, **fields)
        return Change(at=at, what=what, state=after.state, trigger=after.schedule.trigger)


class Schedules:
    """The `schedules` collection."""

    def __init__(self, database: Database) -> None:
        self._rows = database["schedules"]

    @spoken
    async def changes(self) -> int:
        """A number that grows with every change, so that nobody has to read them all to know."""
        row = await self._rows.find_one({"_id": _CHANGES})
        return int(row["count"]) if row else 0

    async def _changed(self) -> None:
        await self._rows.update_one({"_id": _CHANGES}, {"$inc": {"count": 1}}, upsert=True)

    @spoken
    async def all(self) -> list[Stored]:
        """Every schedule there is or was, by id."""
        rows = self._rows.find(EVERY).sort("_id", 1)
        return [parsed(row) for row in await rows.to_list(None)]

    @spoken
    async def get(self, schedule_id: str) -> Stored | None:
        """One schedule."""
        row = await self._rows.find_one({"_id": schedule_id})
        return parsed(row) if row else None

    @spoken
    async def add(self, stored: Stored) -> None:
        """Makes a new one.

        Raises:
            ConfigError: there is one of that id.
        """
        added = stored.noted("added", stored.since)
        try:
            await self._rows.insert_one(_row(msgspec.structs.replace(stored, history=(added,))))
        except DuplicateKeyError:
            msg = f"there is a schedule {stored.id} already"
            raise ConfigError(msg) from None
        await self._changed()

    @spoken
    async def change(
        self, schedule_id: str, revision: int, note: Change | None = None, **fields: Any
    ) -> Stored | None:
        """Changes fields of a revision of it; None if that is not the current one any more."""
        update: Document = {"$set": _fields(fields), "$inc": {"revision": 1}}
        if note is not None:
            kept = {"$each": [_fields({"note": note})["note"]], "$slice": -_KEPT}
            update["$push"] = {"history": kept}
        row: Document | None = await self._rows.find_one_and_update(
            {"_id": schedule_id, "revision": revision},
            update,
            return_document=ReturnDocument.AFTER,
        )
        await self._changed()
        return parsed(row) if row else None

    @spoken
    async def remove(self, schedule_id: str, revision: int | None = None) -> bool:
        """Deletes one, or only that revision of it; its run records stay."""
        which = {"_id": schedule_id} | ({} if revision is None else {"revision": revision})
        removed = (await self._rows.delete_one(which)).deleted_count
        await self._changed()
        return bool(removed)

    @spoken
    async def settle(self, schedule_id: str, owed: datetime) -> None:
        """Notes that a slot of before an edit is owed no more."""
        await self._rows.update_one({"_id": schedule_id, "owed": owed}, {"$set": {"owed": None}})
        await self._changed()


def _fields(fields: Mapping[str, Any]) -> Document:
    """Fields of a Stored as a row has them; instants stay dates."""
    found: Document = {}
    for name, value in fields.items():
        key = "spec" if name == "schedule" else name
        found[key] = msgspec.to_builtins(value, builtin_types=(datetime,))
    return found


def _row(stored: Stored) -> Document:
    fields = _fields(msgspec.structs.asdict(stored))
    fields.pop("unreadable")
    return {"_id": fields.pop("id"), **fields}


def parsed(row: Document) -> Stored:
    """The value of a row; one that cannot be read is quarantined."""
    fields = {**row, "id": row["_id"], "schedule": row.get("spec")}
    try:
        return msgspec.convert(fields, Stored)
    except msgspec.ValidationError as error:
        return Stored(
            id=row["_id"],
            schedule=Schedule(job="unreadable", at=_EPOCH),
            origin="config" if row.get("origin") == "config" else "user",
            revision=row.get("revision", 0),
            since=_EPOCH,
            quarantined=f"it cannot be read: {error}",
            unreadable=True,
        )
