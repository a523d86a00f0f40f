"""Stored schedules: those of the configuration, and the changes that operators make.

A schedule is a document `{_id: id, spec, origin, revision, since, …}` in `schedules`. The
configuration deletes none: a schedule that it no longer has is retired, and one that an operator
has paused or edited stays as it is.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from chesscoach.errors import ConfigError, StoreFailed
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import refuse_code
from chesscoach.schedules.schedule import Schedule

ScheduleOrigin = Literal["config", "user"]
_CHANGES_ID = "#changes"
SCHEDULES_ONLY = {"_id": {"$ne": _CHANGES_ID, "$type": "string"}}
"""The filter that leaves out what is no schedule."""
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_HISTORY_LIMIT = 50
"""Changes that are remembered of a schedule, the last ones."""

ChangeKind = Literal[
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


class ScheduleChange(Struct, frozen=True, kw_only=True):
    """What was done to a schedule, and what it has been since.

    `revision` is the one that the change made. `by` is the operator, and `reason` why, if they were
    given.
    """

    at: datetime
    what: ChangeKind
    state: str
    trigger: str
    revision: int | None = None
    by: str | None = None
    reason: str | None = None


class StoredSchedule(Struct, frozen=True, kw_only=True):
    """A schedule with its history.

    Slots up to `effective_since` do not run: it was made, resumed or edited then. `pending_slot`
    was due before an edit and has not run yet. `pause_reason` is why an operator has paused it.
    `configured` is what the configuration says of
    a schedule that an operator has `edited`. `quarantined` is why it cannot be run at all; one
    that is `unreadable` has a stand-in for its schedule. One that stands in the configuration and
    is not stored yet has the revision 0.
    """

    id: str
    schedule: Schedule
    origin: ScheduleOrigin
    revision: int
    effective_since: datetime = field(name="since")
    paused: bool = False
    pause_reason: str | None = None
    edited: bool = False
    retired: bool = False
    quarantined: str | None = None
    pending_slot: datetime | None = field(default=None, name="owed")
    configured: Schedule | None = None
    history: tuple[ScheduleChange, ...] = ()
    unreadable: bool = False

    @property
    def is_active(self) -> bool:
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

    @property
    def reason(self) -> str | None:
        """Why it is quarantined or paused, if that is known."""
        return self.quarantined or (self.pause_reason if self.paused else None)

    def state_at(self, instant: datetime) -> str | None:
        """The state that it was in; None if that is not remembered."""
        known = [change.state for change in self.history if change.at <= instant]
        return known[-1] if known else None

    def change_entry(
        self,
        what: ChangeKind,
        at: datetime,
        *,
        by: str | None = None,
        reason: str | None = None,
        **fields: Any,
    ) -> ScheduleChange:
        """A change of some fields, as it is remembered."""
        after = msgspec.structs.replace(self, **fields)
        return ScheduleChange(
            at=at,
            what=what,
            state=after.state,
            trigger=after.schedule.trigger,
            revision=self.revision if what == "added" else self.revision + 1,
            by=by,
            reason=reason,
        )


_REMOVED_FIELDS = ("gap", "fold")
"""Fields of a schedule that earlier versions stored; they are ignored."""

_STORED_NAMES = {
    known.name: known.encode_name for known in msgspec.structs.fields(StoredSchedule)
} | {"schedule": "spec"}


class Schedules:
    """The `schedules` collection."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "schedules")

    async def changes(self) -> int:
        """A number that grows with every change, so that a process need not read them all."""
        row = await self._collection.find_one({"_id": _CHANGES_ID})
        return int(row["count"]) if row else 0

    async def _count_change(self) -> None:
        await self._collection.update_one({"_id": _CHANGES_ID}, {"$inc": {"count": 1}}, upsert=True)

    async def all(self) -> list[StoredSchedule]:
        """Every schedule there is or was, by id."""
        documents = await self._collection.find(SCHEDULES_ONLY, sort=[("_id", 1)])
        return [from_document(document) for document in documents]

    async def get(self, schedule_id: str) -> StoredSchedule | None:
        """One schedule."""
        row = await self._collection.find_one({"_id": schedule_id})
        return from_document(row) if row else None

    async def add(self, stored: StoredSchedule, by: str | None = None) -> None:
        """Makes a new one, for an operator if one is named.

        Raises:
            ConfigError: there is one of that id.
        """
        added = stored.change_entry("added", stored.effective_since, by=by)
        document = _to_document(msgspec.structs.replace(stored, history=(added,)))
        if not await self._collection.insert_if_new(document):
            msg = f"there is a schedule {stored.id} already"
            raise ConfigError(msg)
        await self._count_change()

    async def change(
        self, schedule_id: str, revision: int, note: ScheduleChange | None = None, **fields: Any
    ) -> StoredSchedule | None:
        """Changes fields of a revision of it; None if that is not the current one any more."""
        update: Document = {"$set": _fields(fields), "$inc": {"revision": 1}}
        if note is not None:
            kept = {"$each": [_fields({"note": note})["note"]], "$slice": -_HISTORY_LIMIT}
            update["$push"] = {"history": kept}
        row = await self._collection.find_one_and_update(
            {"_id": schedule_id, "revision": revision}, update
        )
        await self._count_change()
        return from_document(row) if row else None

    async def remove(self, schedule_id: str, revision: int | None = None) -> bool:
        """Deletes one, or only that revision of it; its run records stay."""
        which = {"_id": schedule_id} | ({} if revision is None else {"revision": revision})
        removed = await self._collection.delete_one(which)
        await self._count_change()
        return removed

    async def clear_owed(self, schedule_id: str, owed: datetime) -> None:
        """Notes that a slot of before an edit is owed no more."""
        await self._collection.update_one(
            {"_id": schedule_id, "owed": owed}, {"$set": {"owed": None}}
        )
        await self._count_change()


def _fields(fields: Mapping[str, Any]) -> Document:
    """Fields of a StoredSchedule as its document has them; instants stay dates."""
    return {
        _STORED_NAMES.get(name, name): msgspec.to_builtins(value, builtin_types=(datetime,))
        for name, value in fields.items()
    }


def _to_document(stored: StoredSchedule) -> Document:
    fields = _fields(msgspec.structs.asdict(stored))
    fields.pop("unreadable")
    return {"_id": fields.pop("id"), **fields}


def from_document(row: Document) -> StoredSchedule:
    """Returns the schedule of a document; one that cannot be read is quarantined."""
    schedules = {
        name: _without_removed_fields(row.get(key))
        for name, key in (("schedule", "spec"), ("configured", "configured"))
    }
    try:
        refuse_code(row)
        return msgspec.convert({**row, "id": row["_id"], **schedules}, StoredSchedule)
    except (msgspec.ValidationError, StoreFailed) as error:
        return StoredSchedule(
            id=row["_id"],
            schedule=Schedule(job="unreadable", at=_EPOCH),
            origin="config" if row.get("origin") == "config" else "user",
            revision=row["revision"] if type(row.get("revision")) is int else 0,
            effective_since=_EPOCH,
            quarantined=f"it cannot be read: {error}",
            unreadable=True,
        )


def _without_removed_fields(schedule: Any) -> Any:
    if not isinstance(schedule, Mapping):
        return schedule
    return {name: value for name, value in schedule.items() if name not in _REMOVED_FIELDS}
