"""`training_routines`: what recurs, as RFC 5545 has it. The job never changes one that is invalid.

`_id` is the routine's id. `rrule`, `exdates` (local dates) and `dtstart` (a local time of
`timezone`) say when it recurs. Times of the collection are dates.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from chesscoach.errors import StoreFailed
from chesscoach.mongo import values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import refuse_code
from chesscoach.training.sessions import recurrence, rule_text
from chesscoach.training.sessions.recurrence import Recurrence
from chesscoach.training.sessions.routine import (
    MAX_COUNT,
    MAX_MINUTES,
    Kind,
    Routine,
    ZoneSource,
)
from chesscoach.training.zones import Zones


class InvalidRoutine(Struct, frozen=True, kw_only=True):
    """A document that is not a valid routine: its id, its user and the reason."""

    id: str
    user_id: str
    reason: str


class _Document(Struct, frozen=True, kw_only=True):
    id: Annotated[str, Meta(min_length=1, max_length=200)] = msgspec.field(name="_id")
    user_id: Annotated[str, Meta(min_length=1)]
    title: str
    kind: Kind
    count: Annotated[int, Meta(ge=1, le=MAX_COUNT)]
    duration_min: Annotated[int, Meta(ge=1, le=MAX_MINUTES)]
    rrule: str
    exdates: tuple[date, ...]
    dtstart: str
    timezone: Any = None
    timezone_source: ZoneSource
    from_date: date
    revision: Annotated[int, Meta(ge=1)]
    created_at: datetime
    updated_at: datetime


class RoutineStore:
    """The `training_routines` collection."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "training_routines")

    async def pages(
        self, size: int, zones: Zones, user_id: str | None = None
    ) -> AsyncIterator[tuple[list[Routine], list[InvalidRoutine]]]:
        """Pages of all routines, or of a user's, with the invalid documents among them."""
        query: Document = {"user_id": user_id} if user_id is not None else {}
        odd = [{**query, "_id": value} for value in values.NO_TEXT]
        if documents := await self._collection.find({"$or": odd}, {"user_id": 1}):
            yield [], [_invalid(document, "its _id is not a text") for document in documents]
        after = ""
        while page := await self._collection.find(
            {**query, "_id": {"$gt": after}}, sort=[("_id", 1)], limit=size
        ):
            after = page[-1]["_id"]
            yield _split(page, zones)

    async def page(
        self, zones: Zones, user_id: str | None, after: str, limit: int
    ) -> tuple[list[Routine], str | None]:
        """Routines in order of their ids, after one; invalid ones are left out.

        The second value is the id that the next page comes after; None on the last page.
        """
        query: Document = {"_id": {"$gt": after}}
        query |= {"user_id": user_id} if user_id is not None else {}
        found = await self._collection.find(query, sort=[("_id", 1)], limit=limit + 1)
        following = found[limit - 1]["_id"] if len(found) > limit else None
        return _split(found[:limit], zones)[0], following

    async def find(self, routine_id: str, zones: Zones) -> Routine | InvalidRoutine | None:
        """A routine by its id."""
        document = await self._collection.find_one({"_id": routine_id})
        if document is None:
            return None
        routines, invalid = _split([document], zones)
        return routines[0] if routines else invalid[0]

    async def revisions(self, ids: Collection[str]) -> dict[str, Any]:
        """The revisions that some routines have now; without those that do not exist."""
        documents = await self._collection.find({"_id": {"$in": list(ids)}}, {"revision": 1})
        return {document["_id"]: document.get("revision") for document in documents}

    async def add(self, routine: Routine) -> None:
        """Adds a new routine."""
        await self._collection.insert_if_new(_to_document(routine))

    async def replace(self, routine: Routine) -> bool:
        """Writes the next revision of a routine; False if it has changed since it was read."""
        fields = _to_document(routine)
        before = {"_id": fields.pop("_id"), "revision": routine.revision - 1}
        return (await self._collection.update_one(before, {"$set": fields})).matched_count == 1

    async def remove(self, routine_id: str, revision: int | None = None) -> bool:
        """Deletes a routine, also an invalid one, or only this revision; whether there was one."""
        query = {"_id": routine_id} | ({} if revision is None else {"revision": revision})
        return await self._collection.delete_one(query)


def _split(
    documents: Sequence[Document], zones: Zones
) -> tuple[list[Routine], list[InvalidRoutine]]:
    routines: list[Routine] = []
    invalid: list[InvalidRoutine] = []
    for document in documents:
        try:
            refuse_code(document)
            routines.append(_to_routine(document, zones))
        except (msgspec.ValidationError, StoreFailed, ValueError, OverflowError) as error:
            invalid.append(_invalid(document, str(error)))
    return routines, invalid


def _invalid(document: Document, reason: str) -> InvalidRoutine:
    user_id = document.get("user_id")
    return InvalidRoutine(
        id=str(document["_id"])[:80], user_id=str(user_id)[:80], reason=reason[:200]
    )


def _to_routine(document: Document, zones: Zones) -> Routine:
    """The routine of a document.

    Raises:
        ValueError: a value has the wrong type, or the rule does not match its DTSTART.
    """
    stored = msgspec.convert(document, _Document)
    dtstart = datetime.fromisoformat(stored.dtstart)
    parts = rule_text.parse_rule(stored.rrule)
    if dtstart.tzinfo is not None or not _years_are_plausible(dtstart.date(), stored.from_date):
        msg = f"dtstart or from_date: not a local time from {recurrence.FIRST_YEAR} on"
        raise ValueError(msg)
    if recurrence.first_match(parts, dtstart) != dtstart:
        msg = "rrule: dtstart does not match it"
        raise ValueError(msg)
    zone = zones.known(stored.timezone)
    return Routine(
        id=stored.id,
        user_id=stored.user_id,
        title=stored.title,
        kind=stored.kind,
        count=stored.count,
        minutes=stored.duration_min,
        recurrence=Recurrence(
            rrule=stored.rrule,
            dtstart=dtstart,
            exdates=stored.exdates,
            zone=zone or zones.default,
        ),
        zone_source=stored.timezone_source,
        zone_is_valid=zone is not None,
        first_day=stored.from_date,
        revision=stored.revision,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
    )


def _years_are_plausible(*days: date) -> bool:
    return all(recurrence.FIRST_YEAR <= day.year <= recurrence.LAST_YEAR for day in days)


def _to_document(routine: Routine) -> Document:
    recurs = routine.recurrence
    return {
        "_id": routine.id,
        "user_id": routine.user_id,
        "title": routine.title,
        "kind": routine.kind,
        "count": routine.count,
        "duration_min": routine.minutes,
        "rrule": recurs.rrule,
        "exdates": [day.isoformat() for day in recurs.exdates],
        "dtstart": recurs.dtstart.isoformat(),
        "timezone": recurs.zone.key,
        "timezone_source": routine.zone_source,
        "from_date": routine.first_day.isoformat(),
        "revision": routine.revision,
        "created_at": routine.created_at,
        "updated_at": routine.updated_at,
    }
