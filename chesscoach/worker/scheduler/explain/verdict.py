"""What can be said of a slot, and the words for it."""

from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Literal

from msgspec import Struct

from chesscoach.schedules.schedule import Schedule, Slot, format_rfc3339
from chesscoach.worker.runner import attempts
from chesscoach.worker.store.lease import LeaseStatus
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker

Verdict = Literal[
    "worked",  # it succeeded, wholly or in part
    "failed",  # in all of its attempts
    "running",
    "open",  # its last attempt did not close it: it is worked again, or closed
    "missed",
    "coalesced",
    "skipped_overlap",
    "not_a_slot",
    "not_due_yet",
    "waiting",  # it is due, and others hold its lease
    "nobody_there",  # it is due, and nobody has come to work it
    "inactive",  # its schedule is, or was then, paused, disabled, retired or quarantined
    "before_since",  # its schedule was made, changed or resumed after it
    "passed_over",  # nothing was recorded of it, and a newer slot was taken
]


class Explanation(Struct, frozen=True, kw_only=True):
    """A verdict for scripts, sentences for people, and what they rest on.

    `state` is that of the schedule which made it inactive. `before` and `after` are the neighbours
    of what is no slot. `again_at` is when a slot that failed is tried again, `attempts_left` how
    often. `holders` have the leases that it needs.
    """

    slot: Slot
    verdict: Verdict
    sentences: tuple[str, ...]
    record: RunRecord | None = None
    state: str | None = None
    before: datetime | None = None
    after: datetime | None = None
    again_at: datetime | None = None
    attempts_left: int | None = None
    holders: tuple[str, ...] = ()


def explanation(slot: Slot, verdict: Verdict, *sentences: str, **more: Any) -> Explanation:
    """An explanation."""
    return Explanation(slot=slot, verdict=verdict, sentences=sentences, **more)


async def describe_holders(worker: Worker, schedule: Schedule) -> tuple[str, ...]:
    """Who has the leases of a schedule, in words; nobody if one of them is free."""
    keys = attempts.lease_keys(schedule.lock or schedule.job, schedule.max_instances)
    found = await worker.leases.statuses(keys)
    living = [holding for holding in found.values() if holding.alive]
    return (
        tuple(_describe_holder(holding) for holding in living) if len(living) == len(keys) else ()
    )


def _describe_holder(holding: LeaseStatus) -> str:
    who = holding.holder
    run, since = who.get("run_id") or f"a run of {who.get('job')}", who.get("since")
    begun = f", since {format_rfc3339(since)}" if isinstance(since, datetime) else ""
    return f"{run} ({describe_process(who)}{begun})"


def describe_process(owner: dict[str, Any]) -> str:
    """A process, in words."""
    return f"pid {owner.get('pid')} on {owner.get('host')}"


def format_duration(span: timedelta) -> str:
    """A length of time in its two largest units."""
    rest, parts = max(int(span.total_seconds()), 0), []
    for unit, seconds in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, rest = divmod(rest, seconds)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "less than a second"


def inactive_explanation(slot: Slot, stored: StoredSchedule, *sentences: str) -> Explanation:
    """Of a schedule whose slots are not worked now."""
    begun = list(takewhile(lambda change: change.state == stored.state, stored.history[::-1]))
    since = f" since {format_rfc3339(begun[-1].at)}" if begun else ""
    told = [f"The schedule is {stored.state}{since}: its slots are not worked."]
    if stored.quarantined is not None:
        told.append(f"The reason: {stored.quarantined}.")
    return explanation(slot, "inactive", *told, *sentences, state=stored.state)
