"""The ledger, `momentum_events`: one document per award, whose `_id` is its cause."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, date, datetime

from msgspec import Struct

from chesscoach.momentum.periods import Kind
from chesscoach.momentum.points import Action, Award
from chesscoach.mongo import timestamps, values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

_PAGE_SIZE = 4000
_KEYS_PER_QUERY = 5000


class Entry(Struct, frozen=True, kw_only=True):
    """An award with the week and month that it counts in; None for a lifetime award."""

    award: Award
    week: str | None
    month: str | None


class Ledger:
    """`momentum_events`, which is our collection."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "momentum_events")

    async def existing(self, keys: Collection[str]) -> dict[str, int]:
        """Those of some keys that are in the ledger, with the batch of each."""
        found: dict[str, int] = {}
        wanted = list(keys)
        for start in range(0, len(wanted), _KEYS_PER_QUERY):
            part = {"$in": wanted[start : start + _KEYS_PER_QUERY]}
            documents = await self._collection.find({"_id": part}, {"batch": 1})
            found |= {document["_id"]: document.get("batch") or 0 for document in documents}
        return found

    async def add(self, entries: Sequence[Entry], batch: int) -> None:
        """Adds entries in one command; those whose cause is in the ledger change nothing."""
        await self._collection.insert_new([_to_document(entry, batch) for entry in entries])

    async def batch_by_user(self, batch: int) -> AsyncIterator[dict[str, list[Entry]]]:
        """The entries of a batch by user, in pages of whole users."""
        async for page in self._collection.user_pages({"batch": batch}, _PAGE_SIZE):
            by_user: dict[str, list[Entry]] = {}
            for document in page:
                by_user.setdefault(document["user_id"], []).append(_to_entry(document))
            yield by_user

    async def sums(self, kind: Kind, key: str, user_ids: Sequence[str]) -> dict[str, int]:
        """The points of some users in a period; users without an award are left out."""
        match: Document = {"user_id": {"$in": list(user_ids)}, f"{kind}_key": key}
        pipeline: list[Document] = [
            {"$match": match},
            {"$group": {"_id": "$user_id", "points": {"$sum": "$points"}}},
        ]
        return {
            document["_id"]: int(document["points"])
            for document in await self._collection.aggregate(pipeline)
        }


def _to_document(entry: Entry, batch: int) -> Document:
    award = entry.award
    document: Document = {
        "_id": award.key,
        "user_id": award.user_id,
        "action": award.action,
        "ref": award.ref,
        "points": award.points,
        "ts": award.at,
        "local_date": award.day.isoformat(),
        "week_key": entry.week,
        "month_key": entry.month,
        "batch": batch,
    }
    if award.accuracy is not None:
        document["accuracy"] = award.accuracy
    if award.streak is not None:
        document["streak"] = award.streak
    return document


def _to_entry(document: Document) -> Entry:
    at = timestamps.parse_instant(document.get("ts")) or datetime.min.replace(tzinfo=UTC)
    local = document.get("local_date")
    action: Action = document["action"]
    return Entry(
        award=Award(
            action=action,
            user_id=document["user_id"],
            ref=document.get("ref", ""),
            points=document.get("points", 0),
            at=at,
            day=date.fromisoformat(local) if values.is_text(local) else at.date(),
            accuracy=document.get("accuracy"),
            streak=document.get("streak"),
            lifetime=document.get("week_key") is None,
        ),
        week=document.get("week_key"),
        month=document.get("month_key"),
    )
