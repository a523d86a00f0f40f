"""`momentum_streaks`: the streak of local days of each player."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

from chesscoach.momentum.streaks import Streak
from chesscoach.mongo import values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

_SUFFIX = "|days"


class StreakStore:
    """`momentum_streaks`, which is our collection."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "momentum_streaks")

    async def of_users(self, user_ids: Collection[str]) -> dict[str, Streak]:
        """The streaks of some users, by user; users without one are left out."""
        ids = [f"{user_id}{_SUFFIX}" for user_id in user_ids]
        documents = await self._collection.find({"_id": {"$in": ids}})
        return {
            str(document["_id"]).removesuffix(_SUFFIX): _to_streak(document)
            for document in documents
        }

    async def add(self, streaks: Mapping[str, Streak]) -> int:
        """Adds the streaks of users who have none; returns how many."""
        new = await self._collection.insert_new(
            [
                {"_id": f"{user_id}{_SUFFIX}", "user_id": user_id, **_fields(streak)}
                for user_id, streak in streaks.items()
            ]
        )
        return sum(new)

    async def save(self, streaks: Mapping[str, Streak]) -> None:
        """Writes the streaks of users who have one."""
        await self._collection.update_each(
            [(f"{user_id}{_SUFFIX}", _fields(streak)) for user_id, streak in streaks.items()],
            lambda fields: [{"$replaceWith": {"$mergeObjects": ["$$ROOT", fields]}}],
        )

    async def end(self, user_ids: Sequence[str]) -> None:
        """Sets the streaks of some users to 0; their last day and their longest stay."""
        ids = [f"{user_id}{_SUFFIX}" for user_id in user_ids]
        await self._collection.update_many({"_id": {"$in": ids}}, {"$set": {"current": 0}})


def _fields(streak: Streak) -> Document:
    return {
        "streak_type": "days",
        "unit": "day",
        "current": streak.current,
        "longest": streak.longest,
        "started": _text(streak.started),
        "last_period": _text(streak.last),
        "days": [day.isoformat() for day in streak.days],
    }


def _to_streak(document: Document) -> Streak:
    """A streak; what cannot be read of it counts as missing."""
    days = document.get("days")
    last = values.to_date(document.get("last_period"))
    current = _integer(document.get("current"))
    begun = last - timedelta(days=max(current - 1, 0)) if last is not None else None
    return Streak(
        current=current,
        longest=_integer(document.get("longest")),
        started=values.to_date(document.get("started")) or begun,
        last=last,
        days=tuple(day for value in days if (day := values.to_date(value)) is not None)
        if isinstance(days, list)
        else (),
    )


def _text(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


def _integer(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
