"""Schedules that are over: dates that have been worked, and what left the configuration long ago.

Never one that the configuration has, since it would be laid in anew and run again, and never one
whose slot could still be worked by whoever comes next.
"""

from datetime import datetime, timedelta

from chesscoach.cleanup.context import CleanupContext
from chesscoach.cleanup.sweep import Affected, report_dry_run
from chesscoach.worker.job import Run
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule

_MAX_SAMPLES = 3


async def remove_finished(ctx: CleanupContext, run: Run) -> None:
    """Removes schedules that were over more than `keep_schedules_days` ago."""
    cutoff = ctx.now() - timedelta(days=ctx.settings.keep_schedules_days)
    found = []
    for stored in await ctx.schedules.all():
        if stored.id not in ctx.configured_schedules and _can_be_finished(stored):
            newest = await ctx.runs.newest(stored.id)
            at = finished_at(stored, newest, ctx.runner.max_attempts)
            if at is not None and at < cutoff:
                found.append(stored)
    if run.dry_run:
        ids = [stored.id for stored in found]
        report_dry_run(
            run, "schedules", "delete", Affected(count=len(ids), samples=ids[:_MAX_SAMPLES])
        )
        return
    run.counts.note("deleted_schedules", 0)
    for number, stored in enumerate(found):
        if number == ctx.settings.max_deletes_per_run:
            run.counts.note("remaining_schedules", len(found) - number)
            return
        if run.stopping:
            run.incomplete = True
            return
        removed = await ctx.schedules.remove(stored.id, stored.revision)
        run.counts.note("deleted_schedules", int(removed))


def _can_be_finished(stored: StoredSchedule) -> bool:
    """One that cannot be read may be anything, so it stays."""
    if stored.unreadable:
        return False
    return stored.retired or (stored.origin == "user" and stored.schedule.at is not None)


def finished_at(
    stored: StoredSchedule, newest: RunRecord | None, max_attempts: int
) -> datetime | None:
    """Since when none of its slots will be worked any more; None if one may be.

    `newest` is the record of its newest slot. A slot of a pause, or of before the last edit, is not
    worked later; one that nobody has come for yet is.
    """
    changed = max([stored.effective_since, *(change.at for change in stored.history)])
    if newest is not None and newest.outcome == "running":
        return None
    if stored.retired:
        return changed
    if newest is not None and not newest.closed(max_attempts):
        return None
    at = stored.schedule.at
    recorded = newest.slot if newest is not None else None
    if at is None or (stored.pending_slot and (recorded is None or recorded < stored.pending_slot)):
        return None
    if stored.is_active and at > stored.effective_since and (recorded is None or recorded < at):
        return None
    return max(at, changed)
