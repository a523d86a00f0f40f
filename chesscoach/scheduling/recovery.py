"""Runs that nobody works any more: worked again, or closed where something newer stands for them.

A run is left open by a crash (its lease has run out), a deploy (it was cancelled) or a failure with
attempts left. Whoever comes next takes it on; here that is a daemon's tick, every few seconds.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from chesscoach import log
from chesscoach.context import Context
from chesscoach.models import Outcome, Schedule, Slot
from chesscoach.rules import due
from chesscoach.store.run_records import RunRecord
from chesscoach.store.schedules import Stored

RETRY = timedelta(seconds=60)
"""A failed attempt is followed by the next so much later."""

_FAILED = ("failed", "timed_out")


async def sweep(
    ctx: Context, stored: Mapping[str, Stored], begin: Callable[[Schedule, Slot], None]
) -> None:
    """Looks at every open run once; `begin` works a slot as its next attempt."""
    active = [key for key, schedule in stored.items() if schedule.active]
    found = await ctx.store.runs.open(active, ctx.config.runner.max_attempts)
    for record in (run.record for run in found if run.dead):
        verdict = await _verdict(ctx, record, stored)
        if isinstance(verdict, Stored) and record.slot is not None:
            begin(verdict.schedule, Slot(schedule=verdict.id, at=record.slot))
        elif isinstance(verdict, tuple):
            await _close(ctx, record, *verdict)


async def _verdict(
    ctx: Context, record: RunRecord, stored: Mapping[str, Stored]
) -> Stored | tuple[Outcome, str] | None:
    """The schedule whose slot is to be worked again, or how the run ends; None to wait."""
    now, schedule = ctx.now(), stored.get(record.schedule or "")
    if schedule is None or record.slot is None or not schedule.active:
        return "abandoned", "its process is gone"
    slot = Slot(schedule=schedule.id, at=record.slot)
    if schedule.schedule.coalesce and await ctx.store.runs.stood_for(slot):
        return "coalesced", "a newer slot of the schedule is recorded"
    if due.too_late(schedule.schedule, slot, now):
        grace = schedule.schedule.misfire_grace_s
        return "missed", f"it could not be finished within {grace} s"
    ended = record.finished_at
    # An end that lies further ahead was written before a clock was set back.
    if record.outcome in _FAILED and ended is not None and abs(now - ended) < RETRY:
        return None
    return schedule


async def _close(ctx: Context, record: RunRecord, outcome: Outcome, reason: str) -> None:
    if await ctx.store.runs.close(record, outcome, reason, ctx.now()):
        ctx.metrics.unworked(record.job, outcome)
        log.get_logger().warning(
            "run_closed", run_id=record.id, was=record.outcome, outcome=outcome, reason=reason
        )
