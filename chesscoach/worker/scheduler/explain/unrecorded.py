"""Slots of which there is no record: not due, passed, or still to be worked."""

from datetime import datetime, timedelta

from chesscoach.schedules import due, slots
from chesscoach.schedules.schedule import Schedule, Slot, format_rfc3339
from chesscoach.worker.scheduler.explain.verdict import (
    Explanation,
    describe_holders,
    explanation,
    format_duration,
    inactive_explanation,
)
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker


async def explain_unrecorded(worker: Worker, slot: Slot, stored: StoredSchedule) -> Explanation:
    """Why there is no record of a slot."""
    now = worker.now()
    begins_at = slot.at + slots.jitter(stored.schedule, slot)
    newest = await worker.runs.newest(stored.id)
    last = newest.slot if newest is not None and newest.slot is not None else None
    if slot.at > now:
        told = [f"It is not due yet: it comes in {format_duration(slot.at - now)}."]
        if not stored.is_active:
            told.append(f"It will not be worked while the schedule is {stored.state}.")
        return explanation(slot, "not_due_yet", *told)
    if stored.pending_slot == slot.at and stored.is_active:
        return await _explain_due(
            worker, slot, stored, "It is owed from before the schedule was changed."
        )
    if slot.at <= stored.effective_since or (last is not None and slot.at < last):
        return _explain_passed(worker, slot, stored, newest)
    if not stored.is_active:
        return inactive_explanation(slot, stored, "Nobody had begun it before.")
    if begins_at > now:
        told = [f"Its time has come; by the jitter its work begins at {format_rfc3339(begins_at)}."]
        return explanation(slot, "not_due_yet", *told)
    return await _explain_overdue(
        worker, slot, stored, max(stored.effective_since, last or stored.effective_since)
    )


def _explain_passed(
    worker: Worker, slot: Slot, stored: StoredSchedule, newest: RunRecord | None
) -> Explanation:
    """A slot that nobody will work any more."""
    then = stored.state_at(slot.at)
    if then is not None and then != "active":
        ends = [c for c in stored.history if c.at > slot.at and c.state == "active"]
        until = f", until it was {ends[0].what} at {format_rfc3339(ends[0].at)}" if ends else ""
        told = f"The schedule was {then} when it came{until}: such slots are not worked later."
        return explanation(slot, "inactive", told, state=then)
    if slot.at <= stored.effective_since:
        what = [change.what for change in stored.history if change.at == stored.effective_since]
        told = f"The schedule was {what[-1] if what else 'changed'} after it, at"
        return explanation(
            slot,
            "before_since",
            f"{told} {format_rfc3339(stored.effective_since)}, and counts from then.",
        )
    kept_days = worker.config.runner.keep_runs_days
    if worker.now() - slot.at > timedelta(days=kept_days):
        told = f"There is no record of it any more: they are kept for {kept_days} days."
    else:
        newer = newest.id if newest is not None else "a newer slot"
        told = f"Nobody recorded it before {newer}, and a schedule only goes forward."
    return explanation(slot, "passed_over", told, record=newest)


async def _explain_overdue(
    worker: Worker, slot: Slot, stored: StoredSchedule, last: datetime
) -> Explanation:
    """A slot that whoever comes next accounts for, in one way or another."""
    plan = due.due_slots(stored.id, stored.schedule, last, worker.now())
    if plan.missed is not None and slot.at <= plan.missed.last.at:
        grace = stored.schedule.misfire_grace_s
        told = f"Nobody has worked it within its {grace} s of grace."
        return explanation(slot, "nobody_there", told, "Whoever comes next records it as missed.")
    if plan.slot is not None and slot.at < plan.slot.at:
        told = f"Nobody has come to work it; by now {plan.slot.name} stands for it."
        return explanation(slot, "nobody_there", told)
    return await _explain_due(worker, slot, stored)


async def _explain_due(
    worker: Worker, slot: Slot, stored: StoredSchedule, *before: str
) -> Explanation:
    schedule = stored.schedule
    held_by = await describe_holders(worker, schedule)
    if held_by:
        told = f"It is due, and the lease {schedule.lock or schedule.job} is held by"
        return explanation(
            slot,
            "waiting",
            *before,
            f"{told} {' and '.join(held_by)}.",
            _next_sentence(schedule),
            holders=held_by,
        )
    since = format_duration(worker.now() - slot.at)
    then = "A daemon does so within seconds of its start, a run with --scheduled at once."
    begins_at = slot.at + slots.jitter(schedule, slot)
    left = begins_at + timedelta(seconds=worker.config.runner.takeover_delay_s) - worker.now()
    if left > timedelta():
        then = (
            f"A daemon leaves it to others for another {format_duration(left)} (takeover_delay_s)."
        )
    return explanation(
        slot,
        "nobody_there",
        *before,
        f"It has been due for {since}, nothing hinders it, and nobody has come to work it.",
        then,
    )


def _next_sentence(schedule: Schedule) -> str:
    if schedule.overlap == "queue_one":
        return "It is worked after that."
    if not schedule.coalesce:
        return "It is worked after that if it came before it, else recorded as skipped."
    return "Whoever comes next records it as skipped."
