"""Deletes finished schedules: dates that have run, and schedules retired long ago.

A configured schedule stays, since the next start would add it and run it again. A schedule with a
slot that a process may still run stays as well.
"""

from datetime import datetime, timedelta

from chesscoach.cleanup.context import CleanupContext
from chesscoach.cleanup.sweep import Affected, report_dry_run
from chesscoach.worker.job import Run
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule

_MAX_SAMPLES = 3


async def remove_finished(ctx: CleanupContext, run: Run) -> None:
    """Deletes schedules that were finished more than `keep_schedules_days` ago."""
    cutoff = ctx.now() - timedelta(days=ctx.settings.keep_schedules_days)
    finished = []
    for stored in await ctx.schedules.all():
        if stored.id not in ctx.configured_schedules and _can_be_finished(stored):
            newest = await ctx.runs.newest(stored.id)
            at = finished_at(stored, newest, ctx.runner.max_attempts)
            if at is not None and at < cutoff:
                finished.append(stored)
    if run.dry_run:
        ids = [stored.id for stored in finished]
        report_dry_run(
            run, "schedules", "delete", Affected(count=len(ids), samples=ids[:_MAX_SAMPLES])
        )
        return
    run.counts.note("deleted_schedules", 0)
    for number, stored in enumerate(finished):
        if number == ctx.settings.max_deletes_per_run:
            run.counts.note("remaining_schedules", len(finished) - number)
            return
        if run.stopping:
            run.incomplete = True
            return
        removed = await ctx.schedules.remove(stored.id, stored.revision)
        run.counts.note("deleted_schedules", int(removed))


def _can_be_finished(stored: StoredSchedule) -> bool:
    """Whether a schedule can be finished; one that cannot be read stays."""
    if stored.unreadable:
        return False
    return stored.retired or (stored.origin == "user" and stored.schedule.at is not None)


def finished_at(
    stored: StoredSchedule, newest: RunRecord | None, max_attempts: int
) -> datetime | None:
    """Since when none of its slots will run any more; None if one may still run.

    `newest` is the record of its newest slot. A slot that passed in a pause or before the last edit
    does not run later; a slot that no process has claimed yet does.
    """
    changed = max([stored.effective_since, *(change.at for change in stored.history)])
    if newest is not None and newest.outcome == "running":
        return None
    if stored.retired:
        return changed
    if newest is not None and not newest.is_closed(max_attempts):
        return None
    at = stored.schedule.at
    recorded = newest.slot if newest is not None else None
    if at is None or (stored.pending_slot and (recorded is None or recorded < stored.pending_slot)):
        return None
    if stored.is_active and at > stored.effective_since and (recorded is None or recorded < at):
        return None
    return max(at, changed)
