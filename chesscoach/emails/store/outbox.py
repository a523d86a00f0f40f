"""The outbox: one document for each email that a user is due, in every state.

A document's `_id` is `{kind}:{user_id}:{week}`, so that a user is due an email once. Its state goes
pending → sending → sent | failed | unknown, or pending → skipped. `claim` is the token of one
attempt. `letter` has the message of an attempt until SendGrid is known to have it. A document that
is `sending` under an older fence of the same lease was left by a process that died: its result is
unknown. Under another lease, such as a shard's, `until` decides.
"""

import asyncio
import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec
from bson import Binary
from pymongo import UpdateOne

from chesscoach.emails.store.outbox_values import (
    OPEN_STATES,
    STATES,
    AttemptResult,
    EmailClaim,
    NewEmail,
    OutboxEntry,
    State,
    from_document,
    new_document,
)
from chesscoach.emails.transports.transport import Message
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import convert_readable
from chesscoach.schedules.iso_week import Week

_PROJECTION = {"letter": 0}


class Outbox:
    """The `email_outbox` collection."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "email_outbox")

    async def enqueue(self, owed: Sequence[NewEmail], now: datetime) -> list[str]:
        """Insert the emails that are not in the outbox yet.

        Return the ids of those that a unique index of another program refuses.
        """
        insertions = await self._collection.insert_each(
            [new_document(email, now) for email in owed]
        )
        return [
            email.id
            for email, insertion in zip(owed, insertions, strict=True)
            if insertion == "refused"
        ]

    async def count_unknown(self, first: Week) -> int:
        """The number of emails of a week and later ones that are unknown."""
        query = {"state": "unknown", "week": {"$gte": first.key}}
        return await self._collection.count(query)

    async def find_many(self, ids: Collection[str]) -> dict[str, OutboxEntry]:
        """Read the entries with these ids that exist, by id."""
        return await self._find({"_id": {"$in": list(ids)}}, len(ids))

    async def find_open(self, week: Week, after: str, limit: int) -> dict[str, OutboxEntry]:
        """Read a page of a week's entries in an open state, by id."""
        query = {"week": week.key, "state": {"$in": list(OPEN_STATES)}, "_id": {"$gt": after}}
        return await self._find(query, limit)

    async def _find(self, query: Document, limit: int) -> dict[str, OutboxEntry]:
        pipeline: list[Document] = [
            {"$match": query},
            {"$sort": {"_id": 1}},
            {"$limit": max(limit, 1)},
            {"$set": {"frozen": {"$eq": [{"$type": "$letter"}, "binData"]}}},
            {"$project": _PROJECTION},
        ]
        documents = await self._collection.aggregate(pipeline)
        entries = convert_readable("email_outbox", documents, from_document)
        return {entry.id: entry for entry in entries}

    async def frozen_message(self, id: str) -> Message | None:
        """Read the message that the last claim of an entry has frozen, if there is one.

        Raises:
            ValueError: it cannot be read.
        """
        document = await self._collection.find_one({"_id": id}, {"letter": 1})
        return _thaw(document["letter"]) if document and document.get("letter") else None

    async def claim(self, claims: Sequence[EmailClaim]) -> set[str]:
        """Claim entries; return the ids of those that were granted.

        An entry that has changed since it was read belongs to another process.
        """
        matched = await self._collection.bulk_update([_claim_update(claim) for claim in claims])
        if matched == len(claims):
            return {claim.entry.id for claim in claims}
        # After a repeated write our own claim does not match any more; the token shows it.
        tokens = {claim.entry.id: claim.token for claim in claims}
        emails = await self._collection.find({"_id": {"$in": list(tokens)}}, {"claim": 1})
        return {email["_id"] for email in emails if email.get("claim") == tokens[email["_id"]]}

    async def record(self, results: Sequence[AttemptResult]) -> None:
        """Write the results of attempts; an event that has arrived since then takes precedence."""
        await self._collection.bulk_update([_result_update(result) for result in results])

    async def skip(self, reasons: Mapping[str, str], now: datetime) -> None:
        """Skip pending entries, each for a reason, by id."""
        await self._collection.bulk_update(
            [
                UpdateOne(
                    {"_id": key, "state": "pending"},
                    {"$set": {"state": "skipped", "reason": reason, "finished_at": now}},
                )
                for key, reason in reasons.items()
            ]
        )

    async def mark_unknown(self, entries: Sequence[OutboxEntry], state: State, reason: str) -> None:
        """Set the state of entries whose process has died.

        Such a resend does not count: without an event the email may be sent again.
        """
        await self._collection.bulk_update(
            [
                UpdateOne(
                    {"_id": entry.id, "state": "sending", "claim": entry.claim},
                    {
                        "$set": {
                            "state": state,
                            "reason": reason,
                            "resends": max(entry.resends - 1, 0),
                        }
                    },
                )
                for entry in entries
            ]
        )

    async def confirm_accepted(self, accepted: Mapping[str, datetime]) -> int:
        """Mark emails as sent that the provider has accepted, and when; return how many.

        An email that is `sending` may have been left by a process that died. If its process is
        alive, it comes to the same result.
        """
        return await self._collection.bulk_update(
            [
                UpdateOne(
                    {
                        "_id": key,
                        "$or": [
                            {"state": {"$in": ["sending", "unknown"]}},
                            # Will be sent again; an email that was not accepted has no event.
                            {"state": "pending", "attempts": {"$gt": 0}},
                        ],
                    },
                    {
                        "$set": {"state": "sent", "reason": "event", "finished_at": at},
                        "$unset": {"letter": ""},
                    },
                )
                for key, at in accepted.items()
            ]
        )

    async def requeue(self, id: str) -> bool:
        """Make a failed, skipped or unknown email pending; return whether it was one."""
        result = await self._collection.update_one(
            {"_id": id, "state": {"$in": ["failed", "skipped", "unknown"]}},
            {"$set": {"state": "pending", "reason": "by hand", "finished_at": None}},
        )
        return bool(result.matched_count)

    async def recent(
        self, *, state: str | None, week: str | None, user_id: str | None, limit: int
    ) -> list[OutboxEntry]:
        """Read the entries of a state, a week or a user, the newest weeks first."""
        wanted = {"state": state, "week": week, "user_id": user_id}
        return (await self.page(wanted, limit))[0]

    async def page(
        self, wanted: Mapping[str, str | None], limit: int, after: tuple[str, str] | None = None
    ) -> tuple[list[OutboxEntry], bool]:
        """The same with the `wanted` values of fields; also whether there are more.

        `after` are the week and id of an entry: only those that follow it.
        """
        query: Document = {key: value for key, value in wanted.items() if value is not None}
        if after is not None:
            later = [{"week": {"$lt": after[0]}}, {"week": after[0], "_id": {"$gt": after[1]}}]
            query = {"$and": [query, {"week": {"$lte": after[0]}}, {"$or": later}]}
        emails = await self._collection.find(
            query, _PROJECTION, sort=[("week", -1), ("_id", 1)], limit=limit + 1
        )
        entries = convert_readable("email_outbox", emails[:limit], from_document)
        return entries, len(emails) > limit

    async def count_by_state(
        self, week: Week | None = None, user_id: str | None = None
    ) -> dict[str, int]:
        """Count the entries in each state, of a week, a user, or all."""
        match: Document = {"week": week.key if week else {"$gt": ""}}
        match |= {"user_id": user_id} if user_id is not None else {}
        states = await self._collection.aggregate(
            [{"$match": match}, {"$group": {"_id": "$state", "n": {"$sum": 1}}}]
        )
        return {state["_id"]: state["n"] for state in states if type(state["_id"]) is str}

    async def count_states(self, at_most: int) -> dict[State, int]:
        """Count the entries in each state, up to a number."""
        counts = [self._collection.count({"state": state}, limit=at_most) for state in STATES]
        return dict(zip(STATES, await asyncio.gather(*counts), strict=True))

    async def oldest_pending(self, since: Week) -> datetime | None:
        """The creation time of the oldest pending email of a week and those after it."""
        groups = await self._collection.aggregate(
            [
                {"$match": {"week": {"$gte": since.key}, "state": "pending"}},
                {"$group": {"_id": None, "at": {"$min": "$created_at"}}},
            ]
        )
        at = groups[0]["at"] if groups else None
        return at if isinstance(at, datetime) else None


def _claim_update(claim: EmailClaim) -> UpdateOne:
    entry = claim.entry
    values: Document = {
        "state": "sending",
        "reason": None,
        "claim": claim.token,
        "lease": claim.lease,
        "fence": claim.fence,
        "claimed_at": claim.at,
        "until": claim.until,
        # No $inc: the server refuses it, and its whole batch, where the value is not a number.
        "attempts": entry.attempts + 1,
        "resends": entry.resends + int(entry.state == "unknown"),
    }
    if not entry.frozen:
        values["letter"] = _freeze(claim.message)
    return UpdateOne(
        {"_id": entry.id, "state": entry.state, "claim": entry.claim}, {"$set": values}
    )


def _result_update(result: AttemptResult) -> UpdateOne:
    query: Document = {"_id": result.id, "claim": result.token}
    values: Document = {"state": result.state, "reason": result.reason}
    update: Document = {"$set": values}
    if result.state in ("sent", "failed", "skipped"):
        values |= {"finished_at": result.at, "message_id": result.message_id}
        update["$unset"] = {"letter": ""}
    if result.state != "sent":
        query["state"] = "sending"
    return UpdateOne(query, update)


def _freeze(message: Message) -> Binary:
    # Level 3 takes a third of the time of the default 6, and a tenth more space.
    return Binary(zlib.compress(msgspec.json.encode(message), 3))


def _thaw(frozen: bytes) -> Message:
    try:
        return msgspec.json.decode(zlib.decompress(frozen), type=Message)
    except (zlib.error, msgspec.MsgspecError, TypeError):
        msg = "the frozen message cannot be read"
        raise ValueError(msg) from None
