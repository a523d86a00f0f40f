"""Counters and the ledger: what resets points, and what makes counters equal to the ledger's sums.

A reset of points adds negative documents to the ledger, one for each week and month with points. So
the sums stay equal to the counters, and the keys of what was paid stay, which prevents a second
payment.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from pymongo import UpdateOne

from chesscoach.momentum.store.collections import MomentumCollections
from chesscoach.momentum.store.progress import integer_expression, level_expression
from chesscoach.mongo.client import Document
from chesscoach.mongo.values import is_text

_PAID_ONCE = ("achievement_unlocked", "perfect_week", "perfect_month")
_COUNTER_FIELDS = (
    *("user_id", "xp", "momentum_xp", "momentum_batch"),
    *("weekly_xp", "weekly_key", "weekly_prev_xp", "weekly_prev_key"),
    *("monthly_xp", "monthly_key", "monthly_prev_xp", "monthly_prev_key"),
)


class Group(Struct, frozen=True, kw_only=True):
    """The points of a player's awards in a week and a month; `batch` is 0 if it is applied."""

    user: str
    week: str | None = None
    month: str | None = None
    batch: int
    points: int


class PlayerSums(Struct, kw_only=True):
    """A player's sums in the ledger: of everything, and by the key of a week or a month."""

    total: int = 0
    weekly: defaultdict[str, int]
    monthly: defaultdict[str, int]


class LedgerSums:
    """The sums of `momentum_events`, and the counters of `user_progress`."""

    def __init__(self, collections: MomentumCollections) -> None:
        self._collections = collections
        self._events = collections.collection("momentum_events")
        self._progress = collections.collection("user_progress")

    async def reset_points(
        self, user_id: str | None, operation_id: str, now: datetime, *, pay_again: bool
    ) -> int:
        """Sets points to 0; returns the number of players.

        With `pay_again`, achievements and perfect periods lose their keys and can be paid again.
        """
        pending, players = await self._collections.pending_batches(), 0
        cleared: Document = dict.fromkeys(("xp", "momentum_xp", "weekly_xp", "monthly_xp"), 0)
        for field in ("weekly_prev_xp", "monthly_prev_xp"):
            cleared[field] = {"$cond": [{"$isNumber": f"${field}"}, 0, "$$REMOVE"]}
        cleared |= {"ledger_from": now, "updated_at": now}
        async for page in self._collections.scoped("user_progress", user_id).pages({"user_id": 1}):
            user_ids = [user for document in page if is_text(user := document.get("user_id"))]
            if pay_again:
                await self._release_keys(user_ids, operation_id)
            await self._reverse(user_ids, operation_id, now, pending)
            ids = {"_id": {"$in": [document["_id"] for document in page]}}
            await self._progress.update_many(ids, [{"$set": cleared}])
            players += len(page)
        return players

    async def _release_keys(self, user_ids: Sequence[Any], operation_id: str) -> None:
        """Moves what is paid once to other keys, without its points, which `released` keeps.

        The batch of the award names the payment, so a repeated move adds no second document.
        """
        paid = {
            "user_id": {"$in": list(user_ids)},
            "action": {"$in": list(_PAID_ONCE)},
            "released": {"$exists": False},
        }
        moved = {
            "_id": {"$concat": ["$_id", "|", {"$toString": {"$ifNull": ["$batch", 0]}}]},
            "points": 0,
            "released": {"points": "$points", "by": operation_id},
        }
        merge = {"into": "momentum_events", "on": "_id", "whenMatched": "keepExisting"}
        await self._events.aggregate([{"$match": paid}, {"$set": moved}, {"$merge": merge}])
        await self._events.delete_many(paid)

    async def _reverse(
        self, user_ids: Sequence[Any], operation_id: str, now: datetime, pending: range
    ) -> None:
        """Adds the negative documents; those of a batch that is not applied yet are in it too.

        So the next check counts what its awards are for, and adds no points.
        """
        await self._events.insert_new(
            [
                {
                    "_id": "|".join(
                        (
                            "points_reset",
                            group.user,
                            operation_id,
                            group.week or "",
                            group.month or "",
                            *([f"{group.batch}"] if group.batch else []),
                        )
                    ),
                    "user_id": group.user,
                    "action": "points_reset",
                    "points": -group.points,
                    "ts": now,
                    "local_date": None,
                    "week_key": group.week,
                    "month_key": group.month,
                    "batch": group.batch,
                }
                for group in await self._groups(user_ids, pending)
                if group.points
            ]
        )

    async def _groups(self, user_ids: Sequence[Any], pending: range = range(0)) -> list[Group]:
        """The sums of some players by week, month, and each of the batches in `pending`."""
        later = {"$and": [{"$gte": ["$batch", pending.start]}, {"$lt": ["$batch", pending.stop]}]}
        keys = {
            "user": "$user_id",
            "week": "$week_key",
            "month": "$month_key",
            "batch": {"$cond": [later, "$batch", 0]},
        }
        groups = await self._events.aggregate(
            [
                {"$match": {"user_id": {"$in": list(user_ids)}}},
                {"$group": {"_id": keys, "points": {"$sum": "$points"}}},
            ]
        )
        return [Group(points=group["points"], **group["_id"]) for group in groups]

    async def recompute(self, only: str | None, now: datetime) -> dict[str, int]:
        """Makes counters equal to the ledger's sums; returns how many players there are.

        `xp` moves by the same difference as `momentum_xp`, and the level follows it. Documents of a
        player besides the oldest are counted and left as they are. Awards that a stopped check has
        not applied yet are left to the next one.
        """
        pending = await self._collections.pending_batches()
        counts = {"players": 0, "mended": 0, "doubled_documents": 0}
        fields = dict.fromkeys(_COUNTER_FIELDS, 1)
        async for page in self._collections.scoped("user_progress", only).pages(fields):
            documents = [dict(document) for document in page if is_text(document.get("user_id"))]
            user_ids = [document["user_id"] for document in documents]
            oldest = await self._collections.oldest_progress(user_ids)
            groups = defaultdict[str, list[Group]](list)
            for group in await self._groups(user_ids, pending):
                groups[group.user].append(group)
            updates = []
            for document in documents:
                user_id = document["user_id"]
                if oldest.get(user_id) != document["_id"]:
                    counts["doubled_documents"] += 1
                    continue
                counts["players"] += 1
                sums = _player_sums(groups[user_id], document.get("momentum_batch"))
                if changes := _differences(document, sums):
                    changes["updated_at"] = now
                    updates.append(UpdateOne({"_id": document["_id"]}, _correction(changes)))
            counts["mended"] += await self._progress.bulk_update(updates)
        return counts


def _player_sums(groups: Iterable[Group], player_batch: object) -> PlayerSums:
    """A player's sums, with the later batches that are in the player's counters already."""
    counted = player_batch if isinstance(player_batch, int) else 0
    sums = PlayerSums(weekly=defaultdict(int), monthly=defaultdict(int))
    for group in groups:
        if group.batch > counted:
            continue
        sums.total += group.points
        if group.week is not None:
            sums.weekly[group.week] += group.points
        if group.month is not None:
            sums.monthly[group.month] += group.points
    return sums


def _differences(document: Document, sums: PlayerSums) -> Document:
    """The counters that differ from the sums, with their right values."""
    right: Document = {"momentum_xp": sums.total}
    for kind, by_key in (("weekly", sums.weekly), ("monthly", sums.monthly)):
        key = document.get(f"{kind}_key")
        key = key if is_text(key) else None
        newest = max(by_key, default=None)
        if newest is not None and (key is None or newest > key):
            right |= {f"{kind}_key": newest, f"{kind}_prev_key": key}
            key = newest
        before = right.get(f"{kind}_prev_key", document.get(f"{kind}_prev_key"))
        if key is not None:
            right[f"{kind}_xp"] = by_key.get(key, 0)
        if before is not None:
            right[f"{kind}_prev_xp"] = by_key.get(before, 0)
    changed = {name: value for name, value in right.items() if document.get(name) != value}
    held = document.get("momentum_xp")
    moved = sums.total - (held if isinstance(held, int | float) else 0)
    return changed | ({"xp": moved} if moved else {})


def _correction(changes: Document) -> list[Document]:
    """The update that sets counters, and adds to `xp`, which the application may change too."""
    moved = changes.pop("xp", 0)
    stages: list[Document] = [{"$set": changes}]
    if moved:
        xp = {"$add": [integer_expression("xp"), moved]}
        stages.append({"$set": {"xp": {"$max": [0, xp]}}})
        stages.append({"$set": {"level": level_expression("xp")}})
    return stages
