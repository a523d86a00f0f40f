"""Run records: the documents of `job_runs` and their values."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from bson import Timestamp
from msgspec import Struct

from chesscoach.errors import StoreFailed
from chesscoach.mongo.client import Document
from chesscoach.mongo.readable import refuse_code
from chesscoach.schedules.outcome import (
    CLOSED_OUTCOMES,
    FAILED_OUTCOMES,
    RETRY_OUTCOMES,
    Counts,
    Outcome,
)
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.shard import ALL_USERS, Shard, shard_name

SLOTS = {"$gte": datetime(1970, 1, 1, tzinfo=UTC), "$lt": datetime(2200, 1, 1, tzinfo=UTC)}
"""Matches slots as schedules have them; the order of other types would hide the newest one."""

_EPOCH = datetime.fromtimestamp(0, UTC)
_CLAIMED_AT = {
    "$convert": {"input": "$claimed_at", "to": "date", "onError": _EPOCH, "onNull": _EPOCH}
}
AGE_STAGE = {
    "$set": {
        "age_s": {"$divide": [{"$subtract": ["$$NOW", _CLAIMED_AT]}, 1000]},
    }
}
"""A stage that adds how long ago a run was claimed; `to_record` needs it."""

_HELD_LEASE = {"$first": "$held"}
LEASE_STAGES: list[Document] = [
    {
        "$lookup": {
            "from": "job_leases",
            "localField": "lease",
            "foreignField": "_id",
            "as": "held",
        }
    },
    AGE_STAGE,
    {
        "$set": {
            "has_lease": {
                "$let": {"vars": {"held": _HELD_LEASE}, "in": {"$eq": ["$$held.owner", "$claim"]}}
            },
            "lapsed": {
                "$let": {
                    "vars": {"held": _HELD_LEASE},
                    "in": {"$lte": ["$$held.expires_at", "$$NOW"]},
                }
            },
        }
    },
]
"""Stages that add whether a run has its lease, and whether that has expired."""


class PreviousAttempt(Struct, frozen=True, kw_only=True):
    """An attempt at a slot that did not close it."""

    attempt: int
    outcome: Outcome
    owner: dict[str, Any]
    started_at: datetime
    finished_at: datetime | None = None


class RunRecord(Struct, frozen=True, kw_only=True):
    """A run as the store has it; `id` names it in logs too.

    `lateness_s` is how long after its slot it began. A record of several slots that did not run has
    the `first` of them, their `count` and the `reason`. `age_s` is how long ago the attempt was
    claimed, in seconds on the server's clock. `earlier` are the attempts before this one.
    `shard` is `I/N` for a shard of the users, None for all of them. `cancel_requested` has the
    operator who has asked for its end, and when; its slot then stays closed.
    """

    id: str
    job: str
    source: str
    outcome: Outcome
    attempt: int
    claim: str
    owner: dict[str, Any]
    lease: str
    started_at: datetime
    schedule: str | None = None
    slot: datetime | None = None
    finished_at: datetime | None = None
    duration_s: float | None = None
    candidates: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    notes: dict[str, int | str] = {}
    errors: list[dict[str, str]] = []
    exit_code: int | None = None
    lateness_s: float | None = None
    reason: str | None = None
    first: datetime | None = None
    count: int = 1
    shard: str | None = None
    age_s: float = 0.0
    earlier: tuple[PreviousAttempt, ...] = ()
    cancel_requested: dict[str, Any] | None = None

    def is_closed(self, max_attempts: int) -> bool:
        """Whether the slot is closed: no process may run it again."""
        spent = self.outcome in FAILED_OUTCOMES and self.attempt >= max_attempts
        ended = self.outcome in RETRY_OUTCOMES and self.cancel_requested is not None
        return self.outcome in CLOSED_OUTCOMES or spent or ended


class NewRun(Struct, frozen=True, kw_only=True):
    """A run as a claim inserts it."""

    id: str
    job: str
    source: str
    claim: str
    owner: dict[str, Any]
    lease: str
    started_at: datetime
    slot: Slot | None = None
    shard: Shard = ALL_USERS
    outcome: Outcome = "running"


class SkippedRange(Struct, frozen=True, kw_only=True):
    """Consecutive slots that do not run, in one record under the last of them.

    `count` is their number; `reason` is for people.
    """

    job: str
    first: Slot
    last: Slot
    count: int
    outcome: Outcome
    source: str
    at: datetime
    reason: str


class OpenRun(Struct, frozen=True, kw_only=True):
    """A run that is not closed; `orphaned` if no process holds it."""

    record: RunRecord
    orphaned: bool


def is_orphaned(document: Document, ttl_s: float) -> bool:
    """Whether no process holds a run, by its document with `LEASE_STAGES`.

    A run takes its lease right after its claim; one without a lease for twice the life of a lease
    will not take it any more.
    """
    if document["outcome"] != "running":
        return True
    return bool(document["lapsed"] if document["has_lease"] else document["age_s"] > 2 * ttl_s)


def to_record(document: Document) -> RunRecord:
    """A document with `AGE_STAGE` as a record.

    Raises:
        StoreFailed: a field has a value of a wrong type.
    """
    try:
        refuse_code(document)
        return msgspec.convert({**document, "id": document["_id"]}, RunRecord)
    except (msgspec.ValidationError, StoreFailed) as error:
        msg = f"the record of run {str(document['_id'])[:120]!r} cannot be read: {error}"
        raise StoreFailed(msg) from None


def to_open_run(document: Document, ttl_s: float) -> OpenRun:
    """A document with `LEASE_STAGES` as an open run."""
    return OpenRun(record=to_record(document), orphaned=is_orphaned(document, ttl_s))


def unchanged_filter(old: RunRecord) -> Document:
    """Matches a run that no process has changed since it was read."""
    return {"_id": old.id, "claim": old.claim, "outcome": old.outcome}


def new_document(run: NewRun) -> Document:
    """The document of a run that starts."""
    slot = run.slot
    return {
        "_id": run.id,
        "job": run.job,
        "schedule": slot.schedule if slot else None,
        "slot": slot.at if slot else None,
        "shard": shard_name(run.shard),
        "outcome": run.outcome,
        "attempt": 1,
        "source": run.source,
        "claim": run.claim,
        "owner": run.owner,
        "lease": run.lease,
        "started_at": run.started_at,
        "lateness_s": (run.started_at - slot.at).total_seconds() if slot else None,
        "claimed_at": Timestamp(0, 0),  # the server fills it in
    }


def skipped_document(span: SkippedRange) -> Document:
    """The document of slots that do not run."""
    return {
        "_id": span.last.key,
        "job": span.job,
        "schedule": span.last.schedule,
        "slot": span.last.at,
        "first": span.first.at,
        "count": span.count,
        "outcome": span.outcome,
        "reason": span.reason,
        "attempt": 0,
        "source": span.source,
        "claim": "",
        "owner": {},
        "lease": "",
        "started_at": span.at,
        "finished_at": span.at,
        "claimed_at": Timestamp(0, 0),
    }


def count_fields(counts: Counts) -> Document:
    """A run's counts as fields of its document."""
    fields: Document = msgspec.to_builtins(counts)
    return fields
