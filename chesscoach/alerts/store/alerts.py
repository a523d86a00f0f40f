"""Alerts: one document per cause, with its state and the messages that are still to be sent.

A change of state and its message are one write, so that a process that dies loses none. A process
claims the messages of a cause for a minute; if it dies then, another one sends them again, under
the same id. The document `#sent` has the times of the last messages, for the limit of an hour.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import msgspec
from msgspec import Struct, field

from chesscoach.alerts.alert import Condition, Kind, Message, State
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import convert_readable

_NAME = "alerts"
_SENT_ID = "#sent"
_CAUSES = {"_id": {"$ne": _SENT_ID, "$type": "string"}}
_CLAIM_TIME = timedelta(seconds=60)
_HOUR = timedelta(hours=1)
_KEEP_RESOLVED = timedelta(days=30)
_MAX_WAITING_MESSAGES = 20
"""Messages of one cause that wait to be sent, the newest ones."""


class Alert(Struct, frozen=True, kw_only=True):
    """A cause: its state since an instant, and how many of its messages are still to be sent."""

    cause: str
    kind: Kind
    state: State
    job: str | None
    run_id: str | None
    summary: str
    since: datetime
    revision: int
    waiting: int = 0


class WaitingMessage(Struct, frozen=True, kw_only=True):
    """A message to send: to the `receivers` that have not accepted it, after failed `attempts`.

    No attempt was made yet if `receivers` is None. `counted` says that it has its place among the
    messages of an hour.
    """

    message: Message
    receivers: tuple[str, ...] | None = field(name="channels", default=None)
    attempts: int = 0
    counted: bool = False


class ClaimedMessage(Struct, frozen=True, kw_only=True):
    """The oldest message of a cause, which this process alone may send for a minute."""

    cause: str
    token: str
    waiting: WaitingMessage


class Alerts:
    """The `alerts` collection."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, _NAME)

    async def all(self) -> list[Alert]:
        """Every cause that fires, or has resolved within a month."""
        messages = {"$cond": [{"$isArray": "$messages"}, "$messages", []]}
        stages: list[Document] = [
            {"$match": _CAUSES},
            {"$set": {"cause": "$_id", "waiting": {"$size": messages}}},
            {"$unset": "messages"},
            {"$sort": {"_id": 1}},
        ]
        return convert_readable(
            _NAME,
            await self._collection.aggregate(stages),
            lambda document: msgspec.convert(document, Alert),
        )

    async def change(self, known: Alert | None, condition: Condition, now: datetime) -> bool:
        """Makes a cause fire or resolve, and stores its message, which any process may send.

        Args:
            known: the alert as it was read; None if the cause never fired.
            condition: what the alert becomes.
            now: when that was found.

        Returns:
            Whether this process made the change; False if another one did.
        """
        state: State = "firing" if condition.firing else "resolved"
        revision = known.revision + 1 if known else 1
        message = Message(
            id=f"msg_{uuid5(NAMESPACE_URL, f'{condition.cause} {revision} {now}').hex}",
            kind=condition.kind,
            state=state,
            job=condition.job,
            run_id=condition.run_id,
            summary=condition.summary,
            at=now,
            cause=condition.cause,
        )
        fields: Document = {
            "kind": condition.kind,
            "state": state,
            "job": condition.job,
            "run_id": condition.run_id,
            "summary": condition.summary,
            "since": now,
            "revision": revision,
        }
        messages = [_to_document(message)]
        if known is None:
            return await self._collection.insert_if_new(
                {"_id": condition.cause, **fields, "messages": messages, "send_at": now}
            )
        waiting = {"$concatArrays": ["$messages", {"$literal": messages}]}
        claimed = {"$gt": ["$claim", None]}  # the process that has it goes on with this one
        update: Document = {
            **{key: {"$literal": value} for key, value in fields.items()},
            "messages": {"$slice": [waiting, -_MAX_WAITING_MESSAGES]},
            "send_at": {"$cond": [claimed, "$send_at", now]},
        }
        changed = await self._collection.update_one(
            {"_id": condition.cause, "revision": known.revision}, [{"$set": update}]
        )
        return changed.matched_count == 1

    async def claim(self, now: datetime) -> ClaimedMessage | None:
        """Claims the oldest message of a cause whose time has come; None if there is none."""
        token = uuid4().hex
        while True:
            document = await self._collection.find_one_and_update(
                {**_CAUSES, "send_at": {"$lte": now}, "messages.0": {"$exists": True}},
                {"$set": {"send_at": now + _CLAIM_TIME, "claim": token}},
            )
            if document is None:
                return None
            claimed = convert_readable(_NAME, [document], _to_claimed)
            if claimed:
                return claimed[0]

    async def count_held(self, now: datetime, max_per_hour: int) -> int:
        """The number of messages for which the limit of this hour leaves no place."""
        counted = await self._collection.aggregate(
            [
                {"$match": {"send_at": {"$type": "date"}}},
                {"$unwind": "$messages"},
                {"$match": {"messages.counted": False}},
                {"$count": "waiting"},
            ]
        )
        sent = await self._collection.find_one({"_id": _SENT_ID}) or {"times": []}
        free = max_per_hour - sum(at > now - _HOUR for at in sent["times"])
        waiting = int(counted[0]["waiting"]) if counted else 0
        return max(waiting - max(int(free), 0), 0)

    async def reserve_place(self, now: datetime, max_per_hour: int) -> datetime | None:
        """Reserves a place among the messages of an hour.

        Returns None, or the instant at which the next place is free.
        """
        await self._collection.insert_if_new({"_id": _SENT_ID, "times": []})
        lately = {"$filter": {"input": "$times", "cond": {"$gt": ["$$this", now - _HOUR]}}}
        taken = await self._collection.update_one(
            {"_id": _SENT_ID, "$expr": {"$lt": [{"$size": lately}, max_per_hour]}},
            [{"$set": {"times": {"$concatArrays": [lately, [now]]}}}],
        )
        if taken.matched_count:
            return None
        document = await self._collection.find_one({"_id": _SENT_ID}) or {"times": []}
        times = sorted(document["times"])[-max_per_hour:]
        return times[0] + _HOUR if times else now + _HOUR

    async def mark_counted(self, claimed: ClaimedMessage) -> None:
        """Notes that a message has its place, so that its repetition takes no second one."""
        await self._update_claimed(claimed, {"$set": {"messages.0.counted": True}})

    async def finish(self, claimed: ClaimedMessage, now: datetime) -> None:
        """Removes a message that was sent, or is given up; the next one of its cause is due."""
        await self._update_claimed(
            claimed,
            [
                {"$set": {"messages": {"$slice": ["$messages", 1, {"$literal": 100}]}}},
                {
                    "$set": {
                        "claim": None,
                        "send_at": {"$cond": [{"$eq": ["$messages", []]}, None, now]},
                    }
                },
            ],
        )

    async def postpone(self, claimed: ClaimedMessage, until: datetime) -> None:
        """Leaves a message as it is until an instant."""
        await self._update_claimed(claimed, {"$set": {"send_at": until, "claim": None}})

    async def record_refusal(
        self, claimed: ClaimedMessage, receivers: Sequence[str], until: datetime
    ) -> None:
        """Leaves a message for a later attempt at the receivers that are left."""
        fields = {"messages.0.channels": list(receivers), "send_at": until, "claim": None}
        update = {"$set": fields, "$inc": {"messages.0.attempts": 1}}
        await self._update_claimed(claimed, update)

    async def _update_claimed(self, claimed: ClaimedMessage, update: Any) -> None:
        query = {
            "_id": claimed.cause,
            "claim": claimed.token,
            "messages.0.message.id": claimed.waiting.message.id,
        }
        await self._collection.update_one(query, update)

    async def delete_resolved(self, now: datetime) -> int:
        """Deletes causes that resolved a month ago."""
        return await self._collection.delete_many(
            {"state": "resolved", "since": {"$lt": now - _KEEP_RESOLVED}}
        )


def _to_claimed(document: Document) -> ClaimedMessage:
    waiting = msgspec.convert(document["messages"], list[WaitingMessage])
    return ClaimedMessage(cause=document["_id"], token=document["claim"], waiting=waiting[0])


def _to_document(message: Message) -> Document:
    waiting = WaitingMessage(message=message)
    document: Document = msgspec.to_builtins(waiting, builtin_types=(datetime,))
    return document
