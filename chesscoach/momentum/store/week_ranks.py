"""The ranks of players in a week, also before it is ranked: for the weekly email.

On Monday morning a week has closed for most players and is not ranked yet. A player's rank is then
the place among those for whom it has closed, by the points of the ledger.
"""

from collections.abc import Mapping, Sequence

from chesscoach.mongo import values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.schedules.iso_week import Week


class WeekRanks:
    """Ranks of one run: the points of a week are counted once."""

    def __init__(self, database: Database) -> None:
        self._periods = MongoCollection(database, "momentum_periods")
        self._ranks: dict[Week, Mapping[int, int]] = {}

    async def of_users(self, week: Week, user_ids: Sequence[str]) -> dict[str, int]:
        """The ranks of some users who have points in a week, by user."""
        if week not in self._ranks:
            self._ranks[week] = await self._rank_of_points(week)
        ranks = self._ranks[week]
        results = await self._periods.find(
            {"_id": {"$in": [f"{user_id}|week|{week.key}" for user_id in user_ids]}},
            {"_id": 0, "user_id": 1, "points": 1, "rank": 1},
        )
        return {
            result["user_id"]: rank
            for result in results
            if (rank := result.get("rank") or ranks.get(result.get("points", 0))) is not None
            and values.is_text(result["user_id"])
        }

    async def _rank_of_points(self, week: Week) -> dict[int, int]:
        """The rank of each number of points, from one."""
        board: list[Document] = [
            {"$match": {"kind": "week", "key": week.key, "points": {"$gte": 1}}},
            {"$group": {"_id": "$points", "players": {"$sum": 1}}},
            {"$sort": {"_id": -1}},
        ]
        ranks, above = {}, 0
        for row in await self._periods.aggregate(board):
            ranks[row["_id"]] = above + 1
            above += row["players"]
        return ranks
