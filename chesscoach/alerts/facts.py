"""The facts that decide about alerts: the state of the database at one instant."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from chesscoach.alerts.context import AlertContext, Breaker
from chesscoach.alerts.store.alerts import Alert
from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule
from chesscoach.sources.game import Platform
from chesscoach.worker.store.run_documents import OpenRun, RunRecord

_START_DELAY = timedelta(seconds=300)
"""How long after its instant a slot may begin before it is overdue, beside what settings allow."""


class JobFacts(Struct, frozen=True, kw_only=True):
    """The newest ended runs of a job, its missed slots, both newest first, and its living runs."""

    ended: list[RunRecord]
    missed: list[RunRecord]
    running: list[RunRecord]


class OverdueSlot(Struct, frozen=True, kw_only=True):
    """A slot that should have begun, or ended; `run_id` if a run of it was left open."""

    at: datetime
    run_id: str | None = None


class ScheduleFacts(Struct, frozen=True, kw_only=True):
    """An active schedule: its job, and its oldest overdue slot if there is one."""

    job: str
    overdue: OverdueSlot | None


class Facts(Struct, frozen=True, kw_only=True):
    """All facts that the rules use.

    `schedules` are the active ones. `alerts` are those that fire or have resolved, by their cause.
    """

    now: datetime
    jobs: Mapping[str, JobFacts]
    schedules: Mapping[str, ScheduleFacts]
    breakers: Mapping[Platform, Breaker]
    unknown_emails: int
    alerts: Mapping[str, Alert] = {}


async def read_facts(ctx: AlertContext) -> Facts:
    """Reads the facts; each query uses an index and has a limit.

    Raises:
        StoreUnavailable: MongoDB does not answer.
        StoreFailed: MongoDB refused a query.
    """
    now = ctx.now()
    since = await _active_schedules(ctx)
    newest, open_runs, unknown_emails, alerts = await asyncio.gather(
        ctx.runs.newest_slots(),
        ctx.runs.find_open(list(since), ctx.runner.max_attempts),
        ctx.unknown_emails(),
        ctx.alerts.all(),
    )
    return Facts(
        now=now,
        jobs={job: await _job_facts(ctx, job, open_runs) for job in _job_names(ctx)},
        schedules={
            key: ScheduleFacts(
                job=schedule.job,
                overdue=_overdue_slot(ctx, now, key, schedule, begins, newest.get(key), open_runs),
            )
            for key, (schedule, begins) in since.items()
        },
        breakers={platform: await read() for platform, read in ctx.breakers.items()},
        unknown_emails=unknown_emails,
        alerts={alert.cause: alert for alert in alerts},
    )


def _job_names(ctx: AlertContext) -> list[str]:
    return [field.name for field in msgspec.structs.fields(ctx.jobs)]


async def _active_schedules(
    ctx: AlertContext,
) -> dict[str, tuple[Schedule, datetime | None]]:
    """The schedules whose slots run, and since when; None for one that is configured alone.

    Without a daemon, schedules are not stored. It is then unknown which of them are used, so one
    counts from its first recorded slot.
    """
    stored = {one.id: one for one in await ctx.schedules.all()}
    active: dict[str, tuple[Schedule, datetime | None]] = {
        key: (one.schedule, one.effective_since) for key, one in stored.items() if one.is_active
    }
    for key, schedule in ctx.configured_schedules.items():
        if key not in stored and schedule.enabled:
            active[key] = schedule, None
    return active


async def _job_facts(ctx: AlertContext, job: str, open_runs: list[OpenRun]) -> JobFacts:
    ended, missed = await asyncio.gather(ctx.history.ended(job), ctx.history.missed(job))
    living = [run.record for run in open_runs if not run.orphaned and run.record.job == job]
    return JobFacts(ended=ended, missed=missed, running=living)


def _overdue_slot(
    ctx: AlertContext,
    now: datetime,
    schedule_id: str,
    schedule: Schedule,
    since: datetime | None,
    newest: datetime | None,
    open_runs: list[OpenRun],
) -> OverdueSlot | None:
    """The oldest slot that no process has begun, or the newest one if its run was left open."""
    delay = _START_DELAY + timedelta(seconds=ctx.runner.takeover_delay_s)
    known = [instant for instant in (since, newest) if instant is not None]
    if not known:
        return None
    following = next(slots.slots_after(schedule_id, schedule, max(known)), None)
    if following is not None and now - following.at > delay + slots.jitter(schedule, following):
        return OverdueSlot(at=following.at)
    longest = timedelta(seconds=ctx.jobs.limits_of(schedule.job).timeout_s)
    for record in (run.record for run in open_runs if run.orphaned):
        if record.schedule != schedule_id or record.slot is None or record.slot != newest:
            continue
        left_at = record.finished_at or record.started_at + longest
        if record.outcome not in ("failed", "timed_out") and now - left_at > delay:
            return OverdueSlot(at=record.slot, run_id=record.id)
    return None
