"""Slots of which there is a record: what became of them, and what is still to come of it."""

from chesscoach.context import Context
from chesscoach.schedules import due
from chesscoach.schedules.schedule import Slot, utc
from chesscoach.worker.scheduler.explain import shards
from chesscoach.worker.scheduler.explain.verdict import (
    Explanation,
    Verdict,
    because,
    holders,
    inactive,
    process,
)
from chesscoach.worker.scheduler.recovery import RETRY
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import Stored

_WORKED = ("succeeded", "partial")
_FAILED = ("failed", "timed_out")
_UNWORKED: dict[str, Verdict] = {
    "missed": "missed",
    "coalesced": "coalesced",
    "skipped_overlap": "skipped_overlap",
}


async def explain(
    ctx: Context, slot: Slot, record: RunRecord, stored: Stored | None
) -> Explanation:
    """What a record says of a slot: its own record, or that of a range."""
    attempts = ctx.config.runner.max_attempts
    if record.outcome in _UNWORKED:
        return because(slot, _UNWORKED[record.outcome], *_unworked(record), record=record)
    if record.outcome in _WORKED:
        return because(slot, "worked", *_attempt(record), *_counted(record), record=record)
    if record.outcome in _FAILED and record.closed(attempts):
        told = f"That was the last of {attempts} attempts."
        return because(slot, "failed", *_attempt(record), *_counted(record), told, record=record)
    if record.outcome == "running":
        told_parts = await shards.parts(ctx, slot, record.parts) if record.parts > 1 else []
        holding = await ctx.store.leases.look(record.lease)
        has = holding is not None and holding.owner == record.claim
        if holding is not None and has and holding.alive:
            if told_parts:
                return because(slot, "running", "It is at work now.", *told_parts, record=record)
            told = f"It is at work now, as attempt {record.attempt}: {process(record.owner)},"
            told += f" since {utc(record.started_at)}."
            return because(slot, "running", told, *_counted(record), record=record)
        if not has and record.age_s <= 2 * ctx.store.leases.ttl_s:
            told = f"{process(record.owner)} has claimed it and needs the lease {record.lease}"
            held_by = await holders(ctx, stored.schedule) if stored is not None else ()
            told += f", which is held by {' and '.join(held_by)}." if held_by else " next."
            return because(slot, "running", told, record=record, holders=held_by)
        if told_parts:
            return await _open(ctx, slot, record, stored, "None is at work now.", *told_parts)
        told = f"{process(record.owner)} is gone without a word: its lease has run out."
        return await _open(ctx, slot, record, stored, told)
    return await _open(ctx, slot, record, stored, *_attempt(record), *_counted(record))


def _unworked(record: RunRecord) -> list[str]:
    told = [f"It is recorded as {record.outcome}, at {utc(record.started_at)}"]
    if record.first is not None and record.slot is not None and record.count > 1:
        told[0] += f", with {record.count} slots from {utc(record.first)} to {utc(record.slot)}"
    told[0] += f": {record.reason}." if record.reason else "."
    return told + _earlier(record)


def _attempt(record: RunRecord) -> list[str]:
    """Who worked it, when, and what became of that."""
    told = f"Attempt {record.attempt} {record.outcome.replace('_', ' ')}: {process(record.owner)}"
    told += f" ({record.source}), begun {utc(record.started_at)}"
    if record.lateness_s is not None and record.attempt == 1:
        told += f", {record.lateness_s:.1f} s after its slot"
    if record.duration_s is not None:
        told += f", took {record.duration_s:.1f} s"
    if record.reason is not None:
        told += f": {record.reason}"
    return [*_earlier(record), f"{told}."]


def _earlier(record: RunRecord) -> list[str]:
    return [
        f"Attempt {old.attempt} was {old.outcome.replace('_', ' ')}: {process(old.owner)}, begun"
        f" {utc(old.started_at)}."
        for old in record.earlier
    ]


def _counted(record: RunRecord) -> list[str]:
    told = f"{record.done} done, {record.failed} failed, {record.skipped} skipped of"
    samples = ["; ".join(f"{k} {v}" for k, v in sample.items()) for sample in record.errors[:3]]
    return [f"{told} {record.candidates}.", *(f"Error: {sample}." for sample in samples)]


async def _open(
    ctx: Context, slot: Slot, record: RunRecord, stored: Stored | None, *before: str
) -> Explanation:
    """A slot that is not closed, and that nobody works now."""
    now, again_at, left, held_by = ctx.now(), None, None, tuple[str, ...]()
    if record.outcome in _FAILED:
        left = ctx.config.runner.max_attempts - record.attempt
        again_at = (record.finished_at or now) + RETRY
    if stored is None:
        then = "Its schedule is gone, so nobody works it again."
    elif not stored.active:
        then = " ".join(inactive(slot, stored).sentences)
    elif stored.schedule.coalesce and await ctx.store.runs.stood_for(slot):
        then = "A newer slot stands for it: it is closed as coalesced."
    elif due.too_late(stored.schedule, slot, now):
        then = "It is too late by now: whoever comes next records it as missed."
    elif again_at is not None and again_at > now:
        then = f"It is tried again from {utc(again_at)} on."
    elif held_by := await holders(ctx, stored.schedule):
        then = f"Its next attempt waits for {' and '.join(held_by)}."
    else:
        then = "A running daemon takes it on within seconds, a run with --scheduled at once."
    if left is not None:
        then += f" Attempts left: {left}."
    return because(
        slot,
        "open",
        *before,
        then,
        record=record,
        again_at=again_at,
        attempts_left=left,
        holders=held_by,
        state=stored.state if stored and not stored.active else None,
    )
