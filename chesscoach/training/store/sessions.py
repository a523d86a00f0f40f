"""`training_sessions`: one document for each session of a routine.

`_id` is `{routine_id}|{local_date}`, so a session exists once. One that is cancelled stays, and is
not made again. Only a session that is `scheduled` is ever moved or deleted. `settled`: a missed or
completed session whose week has closed is not looked at again.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec
from pymongo import UpdateOne

from chesscoach.errors import StoreFailed
from chesscoach.mongo import values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import split_readable
from chesscoach.training.sessions.session import Session, Status, StoredSession, Verdict

_ONE_DAY = timedelta(days=1)
_OPEN = {"status": {"$in": ["scheduled", "missed"]}, "settled": None}


class SessionStore:
    """The `training_sessions` collection."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "training_sessions")

    async def of_routines(self, ids: Collection[str], first: date) -> list[StoredSession]:
        """The sessions of some routines from a day on; those that cannot be read are logged."""
        query = {"routine_id": {"$in": list(ids)}, "local_date": {"$gte": first.isoformat()}}
        return _readable(await self._collection.find(query))[0]

    async def add(self, sessions: Sequence[Session], now: datetime) -> int:
        """Adds sessions; one that exists stays as it is. Returns how many are new."""
        documents = [
            {**_planned(session), "_id": session.id, "status": "scheduled", "created_at": now}
            | dict.fromkeys(("completed_at", "actual_min"))
            for session in sessions
        ]
        return sum(await self._collection.insert_new(documents))

    async def move(self, sessions: Sequence[Session]) -> int:
        """Gives sessions that are still scheduled what their routine says now."""
        return await self._collection.bulk_update(
            [
                UpdateOne(
                    {
                        "_id": session.id,
                        "status": "scheduled",
                        "revision": {"$lte": session.routine.revision},
                    },
                    {"$set": _planned(session)},
                )
                for session in sessions
            ]
        )

    async def delete_scheduled(self, ids: Sequence[str], revision: int) -> int:
        """Deletes sessions that are still scheduled, unless a newer revision has written them."""
        query = {"_id": {"$in": list(ids)}, "status": "scheduled", "revision": {"$lte": revision}}
        return await self._collection.delete_many(query) if ids else 0

    async def delete_coming(self, routine_ids: Sequence[str], now: datetime) -> int:
        """Deletes the coming sessions of routines that do not exist any more."""
        query: Document = {"routine_id": {"$in": list(routine_ids)}, "status": "scheduled"}
        return await self._collection.delete_many({**query, "starts_at": {"$gt": now}})

    async def coming(
        self, user_ids: Collection[str], first: date, last: date
    ) -> list[StoredSession]:
        """The scheduled sessions of some users in some days, in the order of their starts."""
        query = {
            "user_id": {"$in": list(user_ids)},
            "local_date": {"$gte": first.isoformat(), "$lte": last.isoformat()},
            "status": "scheduled",
        }
        return _readable(await self._collection.find(query, sort=[("starts_at", 1)]))[0]

    async def orphaned_routines(self, now: datetime) -> list[str]:
        """The routines that do not exist, and have coming sessions."""
        pipeline: list[Document] = [
            {
                "$match": {
                    "status": "scheduled",
                    "settled": None,
                    "local_date": {"$gte": (now.date() - _ONE_DAY).isoformat()},
                    "starts_at": {"$gt": now},
                    "routine_id": {"$type": "string"},
                }
            },
            {"$group": {"_id": "$routine_id"}},
            {
                "$lookup": {
                    "from": "training_routines",
                    "localField": "_id",
                    "foreignField": "_id",
                    "pipeline": [{"$project": {"_id": 1}}],
                    "as": "routine",
                }
            },
            {"$match": {"routine": []}},
        ]
        return [group["_id"] for group in await self._collection.aggregate(pipeline)]

    async def open_sessions(
        self, last: date, size: int
    ) -> AsyncIterator[tuple[list[StoredSession], list[object]]]:
        """Pages of the sessions up to a day that may still change, and ids of unreadable ones."""
        odd = [{**_OPEN, name: value} for name in ("_id", "local_date") for value in values.NO_TEXT]
        if documents := await self._collection.find({"$or": odd}, limit=size):
            yield _readable(documents)
        for status in ("missed", "scheduled"):  # what becomes missed is not read a second time
            day, after = "", ""
            while page := await self._collection.find(
                {
                    "settled": None,
                    "status": status,
                    "local_date": {"$gte": day, "$lte": last.isoformat()},
                    "$or": [{"local_date": {"$gt": day}}, {"_id": {"$gt": after}}],
                },
                sort=[("local_date", 1), ("_id", 1)],
                limit=size,
            ):
                day, after = page[-1]["local_date"], page[-1]["_id"]
                yield _readable(page)

    async def save_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Writes verdicts, each unless the session has changed since it was read."""
        await self._collection.bulk_update(
            [
                UpdateOne(
                    {"_id": verdict.session_id, "status": verdict.before},
                    {
                        "$set": {
                            "status": verdict.status,
                            "completed_at": verdict.completed_at,
                            **({"settled": True} if verdict.settled else {}),
                        }
                    },
                )
                for verdict in verdicts
            ]
        )

    async def find(self, session_id: str) -> StoredSession | None:
        """A session by its id.

        Raises:
            StoreFailed: it cannot be read.
        """
        document = await self._collection.find_one({"_id": session_id})
        if document is None:
            return None
        sessions, unreadable = _readable([document])
        if unreadable:
            msg = f"training_sessions: {session_id[:80]} cannot be read"
            raise StoreFailed(msg)
        return sessions[0]

    async def set_status(
        self, session: StoredSession, status: Status, at: datetime | None, minutes: float | None
    ) -> bool:
        """Completes or cancels a session; False if it has changed since it was read."""
        fields = {"status": status, "completed_at": at, "actual_min": minutes}
        query = {"_id": session.id, "status": session.status}
        return (await self._collection.update_one(query, {"$set": fields})).matched_count == 1

    async def nearest(
        self, query: Mapping[str, str], now: datetime, limit: int
    ) -> list[StoredSession]:
        """The sessions with some values that are nearest to today, in the order of their days.

        Up to half of them are past ones, or more where there are fewer ahead.
        """
        today = now.astimezone(UTC).date().isoformat()
        past, ahead = [
            await self._collection.find(
                {**query, "local_date": {comparison: today}},
                sort=[(name, direction) for name in ("local_date", "starts_at", "_id")],
                limit=limit,
            )
            for comparison, direction in (("$lt", -1), ("$gte", 1))
        ]
        past = past[: max(limit - len(ahead), limit // 2)]
        return _readable([*reversed(past), *ahead[: limit - len(past)]])[0]


def _readable(documents: Sequence[Document]) -> tuple[list[StoredSession], list[object]]:
    return split_readable("training_sessions", documents, _to_session)


def _to_session(document: Document) -> StoredSession:
    return msgspec.convert(document, StoredSession)


def _planned(session: Session) -> Document:
    routine = session.routine
    return {
        "routine_id": routine.id,
        "user_id": routine.user_id,
        "local_date": session.day.isoformat(),
        "timezone": routine.recurrence.zone.key,
        "starts_at": session.starts_at,
        "duration_min": routine.minutes,
        "title": routine.title,
        "kind": routine.kind,
        "count": routine.count,
        "revision": routine.revision,
    }
