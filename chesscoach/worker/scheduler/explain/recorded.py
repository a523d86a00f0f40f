"""Slots of which there is a record: what became of them, and what is still to come of it."""

from chesscoach.schedules import due
from chesscoach.schedules.schedule import Slot, format_rfc3339
from chesscoach.worker.scheduler.explain.verdict import (
    Explanation,
    Verdict,
    describe_holders,
    describe_process,
    explanation,
    inactive_explanation,
)
from chesscoach.worker.scheduler.recovery import RETRY_DELAY
from chesscoach.worker.shard import record_shard
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker

_SUCCESSES = ("succeeded", "partial")
_FAILURES = ("failed", "timed_out")
_SKIP_VERDICTS: dict[str, Verdict] = {
    "missed": "missed",
    "coalesced": "coalesced",
    "skipped_overlap": "skipped_overlap",
}


async def explain_recorded(
    worker: Worker, slot: Slot, record: RunRecord, stored: StoredSchedule | None
) -> Explanation:
    """What a record says of a slot: its own record, or that of a range."""
    attempts = worker.config.runner.max_attempts
    if record.outcome in _SKIP_VERDICTS:
        return explanation(
            slot, _SKIP_VERDICTS[record.outcome], *_skipped_sentences(record), record=record
        )
    if record.outcome in _SUCCESSES:
        return explanation(
            slot, "worked", *_attempt_sentences(record), *_count_sentences(record), record=record
        )
    if record.outcome in _FAILURES and record.closed(attempts):
        told = f"That was the last of {attempts} attempts."
        return explanation(
            slot,
            "failed",
            *_attempt_sentences(record),
            *_count_sentences(record),
            told,
            record=record,
        )
    if record.outcome == "running":
        holding = await worker.leases.status(record.lease)
        has = holding is not None and holding.owner == record.claim
        if holding is not None and has and holding.alive:
            told = (
                f"It is at work now, as attempt {record.attempt}: {describe_process(record.owner)},"
            )
            told += f" since {format_rfc3339(record.started_at)}."
            return explanation(slot, "running", told, *_count_sentences(record), record=record)
        if not has and record.age_s <= 2 * worker.leases.ttl_s:
            told = (
                f"{describe_process(record.owner)} has claimed it "
                f"and needs the lease {record.lease}"
            )
            held_by = await describe_holders(worker, stored.schedule) if stored is not None else ()
            told += f", which is held by {' and '.join(held_by)}." if held_by else " next."
            return explanation(slot, "running", told, record=record, holders=held_by)
        told = f"{describe_process(record.owner)} is gone without a word: its lease has run out."
        return await _explain_open(worker, slot, record, stored, told)
    return await _explain_open(
        worker, slot, record, stored, *_attempt_sentences(record), *_count_sentences(record)
    )


def _skipped_sentences(record: RunRecord) -> list[str]:
    told = [f"It is recorded as {record.outcome}, at {format_rfc3339(record.started_at)}"]
    if record.first is not None and record.slot is not None and record.count > 1:
        told[0] += (
            f", with {record.count} slots from {format_rfc3339(record.first)}"
            f" to {format_rfc3339(record.slot)}"
        )
    told[0] += f": {record.reason}." if record.reason else "."
    return told + _earlier_sentences(record)


def _attempt_sentences(record: RunRecord) -> list[str]:
    """Who worked it, when, and what became of that."""
    told = (
        f"Attempt {record.attempt} {record.outcome.replace('_', ' ')}: "
        f"{describe_process(record.owner)}"
    )
    told += f" ({record.source}), begun {format_rfc3339(record.started_at)}"
    if record.lateness_s is not None and record.attempt == 1:
        told += f", {record.lateness_s:.1f} s after its slot"
    if record.duration_s is not None:
        told += f", took {record.duration_s:.1f} s"
    if record.reason is not None:
        told += f": {record.reason}"
    return [*_earlier_sentences(record), f"{told}."]


def _earlier_sentences(record: RunRecord) -> list[str]:
    return [
        f"Attempt {old.attempt} was {old.outcome.replace('_', ' ')}: "
        f"{describe_process(old.owner)}, begun"
        f" {format_rfc3339(old.started_at)}."
        for old in record.earlier
    ]


def _count_sentences(record: RunRecord) -> list[str]:
    told = f"{record.done} done, {record.failed} failed, {record.skipped} skipped of"
    samples = ["; ".join(f"{k} {v}" for k, v in sample.items()) for sample in record.errors[:3]]
    return [f"{told} {record.candidates}.", *(f"Error: {sample}." for sample in samples)]


async def _explain_open(
    worker: Worker, slot: Slot, record: RunRecord, stored: StoredSchedule | None, *before: str
) -> Explanation:
    """A slot that is not closed, and that nobody works now."""
    now, again_at, left, held_by = worker.now(), None, None, tuple[str, ...]()
    if record.outcome in _FAILURES:
        left = worker.config.runner.max_attempts - record.attempt
        again_at = (record.finished_at or now) + RETRY_DELAY
    if stored is None:
        then = "Its schedule is gone, so nobody works it again."
    elif not stored.is_active:
        then = " ".join(inactive_explanation(slot, stored).sentences)
    elif stored.schedule.coalesce and await worker.runs.is_superseded(
        slot, record_shard(record.shard)
    ):
        then = "A newer slot stands for it: it is closed as coalesced."
    elif due.is_too_late(stored.schedule, slot, now):
        then = "It is too late by now: whoever comes next records it as missed."
    elif again_at is not None and again_at > now:
        then = f"It is tried again from {format_rfc3339(again_at)} on."
    elif held_by := await describe_holders(worker, stored.schedule):
        then = f"Its next attempt waits for {' and '.join(held_by)}."
    else:
        then = "A running daemon takes it on within seconds, a run with --scheduled at once."
    if left is not None:
        then += f" Attempts left: {left}."
    return explanation(
        slot,
        "open",
        *before,
        then,
        record=record,
        again_at=again_at,
        attempts_left=left,
        holders=held_by,
        state=stored.state if stored and not stored.is_active else None,
    )
