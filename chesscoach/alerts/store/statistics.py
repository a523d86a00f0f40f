"""How many alerts fire, by kind, for metrics."""

from pymongo.asynchronous.database import AsyncDatabase

from chesscoach.alerts.alert import KINDS, Kind
from chesscoach.mongo.client import Document
from chesscoach.mongo.errors import translates_errors


@translates_errors
async def count_firing(database: "AsyncDatabase[Document]") -> dict[Kind, int]:
    """The alerts that fire, by kind (0 too)."""
    groups = await database["alerts"].aggregate(
        [{"$match": {"state": "firing"}}, {"$group": {"_id": "$kind", "count": {"$sum": 1}}}]
    )
    counts = {
        group["_id"]: int(group["count"]) async for group in groups if type(group["_id"]) is str
    }
    return {kind: counts.get(kind, 0) for kind in KINDS}
