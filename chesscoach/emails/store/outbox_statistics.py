"""How many emails are in the outbox, by state, for metrics."""

import asyncio

from pymongo.asynchronous.database import AsyncDatabase

from chesscoach.emails.store.outbox_values import STATES, State
from chesscoach.mongo.client import Document
from chesscoach.mongo.errors import translates_errors
from chesscoach.schedules.iso_week import Week

_TIME_LIMIT_S = 1.0
"""Counting half a million emails takes 0.6 s; what else a probe reads must not fail for it."""


@translates_errors
async def count_by_state(
    database: "AsyncDatabase[Document]", first: Week
) -> dict[State, int] | None:
    """The emails of a week and later ones, by state (0 too); None if counting takes too long."""
    try:
        async with asyncio.timeout(_TIME_LIMIT_S):
            # The index has all of it: the documents, which hold whole emails, are not read.
            groups = await database["email_outbox"].aggregate(
                [
                    {"$match": {"week": {"$gte": first.key}}},
                    {"$group": {"_id": "$state", "count": {"$sum": 1}}},
                ]
            )
            counts = {
                group["_id"]: int(group["count"])
                async for group in groups
                if type(group["_id"]) is str
            }
    except TimeoutError:
        return None
    return {state: counts.get(state, 0) for state in STATES}
