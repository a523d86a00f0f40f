"""Slots of which there is no record: not due, passed, or still to be worked."""

from datetime import datetime, timedelta

from chesscoach.context import Context
from chesscoach.schedules import due, slots
from chesscoach.schedules.schedule import Schedule, Slot, utc
from chesscoach.worker.scheduler.explain.verdict import (
    Explanation,
    because,
    holders,
    inactive,
    lasting,
)
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import Stored


async def explain(ctx: Context, slot: Slot, stored: Stored) -> Explanation:
    """Why there is no record of a slot."""
    now = ctx.now()
    begins_at = slot.at + slots.late_by(stored.schedule, slot)
    newest = await ctx.store.runs.newest(stored.id)
    last = newest.slot if newest is not None and newest.slot is not None else None
    if slot.at > now:
        told = [f"It is not due yet: it comes in {lasting(slot.at - now)}."]
        if not stored.active:
            told.append(f"It will not be worked while the schedule is {stored.state}.")
        return because(slot, "not_due_yet", *told)
    if stored.owed == slot.at and stored.active:
        return await _due(ctx, slot, stored, "It is owed from before the schedule was changed.")
    if slot.at <= stored.since or (last is not None and slot.at < last):
        return _passed(ctx, slot, stored, newest)
    if not stored.active:
        return inactive(slot, stored, "Nobody had begun it before.")
    if begins_at > now:
        told = [f"Its time has come; by the jitter its work begins at {utc(begins_at)}."]
        return because(slot, "not_due_yet", *told)
    return await _due_since(ctx, slot, stored, max(stored.since, last or stored.since))


def _passed(ctx: Context, slot: Slot, stored: Stored, newest: RunRecord | None) -> Explanation:
    """A slot that nobody will work any more."""
    then = stored.state_at(slot.at)
    if then is not None and then != "active":
        ends = [c for c in stored.history if c.at > slot.at and c.state == "active"]
        until = f", until it was {ends[0].what} at {utc(ends[0].at)}" if ends else ""
        told = f"The schedule was {then} when it came{until}: such slots are not worked later."
        return because(slot, "inactive", told, state=then)
    if slot.at <= stored.since:
        what = [change.what for change in stored.history if change.at == stored.since]
        told = f"The schedule was {what[-1] if what else 'changed'} after it, at"
        return because(slot, "before_since", f"{told} {utc(stored.since)}, and counts from then.")
    kept_days = ctx.config.runner.keep_runs_days
    if ctx.now() - slot.at > timedelta(days=kept_days):
        told = f"There is no record of it any more: they are kept for {kept_days} days."
    else:
        newer = newest.id if newest is not None else "a newer slot"
        told = f"Nobody recorded it before {newer}, and a schedule only goes forward."
    return because(slot, "passed_over", told, record=newest)


async def _due_since(ctx: Context, slot: Slot, stored: Stored, last: datetime) -> Explanation:
    """A slot that whoever comes next accounts for, in one way or another."""
    plan = due.plan(stored.id, stored.schedule, last, ctx.now())
    if plan.missed is not None and slot.at <= plan.missed.last.at:
        grace = stored.schedule.misfire_grace_s
        told = f"Nobody has worked it within its {grace} s of grace."
        return because(slot, "nobody_there", told, "Whoever comes next records it as missed.")
    if plan.work is not None and slot.at < plan.work.at:
        told = f"Nobody has come to work it; by now {plan.work.name} stands for it."
        return because(slot, "nobody_there", told)
    return await _due(ctx, slot, stored)


async def _due(ctx: Context, slot: Slot, stored: Stored, *before: str) -> Explanation:
    schedule = stored.schedule
    held_by = await holders(ctx, schedule)
    if held_by:
        told = f"It is due, and the lease {schedule.lock or schedule.job} is held by"
        return because(
            slot,
            "waiting",
            *before,
            f"{told} {' and '.join(held_by)}.",
            _then(schedule),
            holders=held_by,
        )
    since = lasting(ctx.now() - slot.at)
    then = "A daemon does so within seconds of its start, a run with --scheduled at once."
    begins_at = slot.at + slots.late_by(schedule, slot)
    left = begins_at + timedelta(seconds=ctx.config.runner.standby_s) - ctx.now()
    if left > timedelta():
        then = f"A daemon leaves it to others for another {lasting(left)} (standby_s)."
    return because(
        slot,
        "nobody_there",
        *before,
        f"It has been due for {since}, nothing hinders it, and nobody has come to work it.",
        then,
    )


def _then(schedule: Schedule) -> str:
    if schedule.overlap == "queue_one":
        return "It is worked after that."
    if not schedule.coalesce:
        return "It is worked after that if it came before it, else recorded as skipped."
    return "Whoever comes next records it as skipped."
