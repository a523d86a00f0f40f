"""Whether the database is kept well: clocks, what cannot be judged, what waits, what has run."""

import asyncio
from datetime import datetime, timedelta

from chesscoach.cleanup import rules
from chesscoach.context import Context
from chesscoach.doctor.finding import Finding, fail, ok, warn
from chesscoach.jobs import catalog
from chesscoach.mongo.probe import time_limit
from chesscoach.mongo.server_info import server_time
from chesscoach.schedules import slots
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.store.statistics import StatisticsReader

_WARN_SKEW_S, _MAX_SKEW_S = 2.0, 300.0
"""Leases go by the server's clock and slots by ours, which may not be five minutes ahead of it."""

_SCAN_LIMIT = 1000
"""So many suspect rows of a collection are looked at for strays: more than a healthy one has."""

_MAX_QUEUE_WAIT = timedelta(hours=24)
_NAME_LIMIT = 3


async def clock(ctx: Context) -> Finding:
    """How far our clock is from the server's."""
    loop = asyncio.get_running_loop()
    begun, before = loop.time(), ctx.now()
    server = await server_time(ctx.mongo.database)
    took_s = loop.time() - begun
    apart_s = (server - before).total_seconds() - took_s / 2
    # A server tells milliseconds, and the way to it is not known to be as long as that back.
    told = f"{apart_s:+.3f} s from ours, give or take {took_s / 2 + 0.001:.3f} s"
    if abs(apart_s) > _MAX_SKEW_S:
        return fail(f"the server's clock is {told}", "let both follow a time server")
    if abs(apart_s) > _WARN_SKEW_S + took_s:
        return warn(f"the server's clock is {told}", "let both follow a time server")
    return ok(f"the server's clock is {told}")


async def timestamps(ctx: Context) -> Finding:
    """Timestamps that mean nothing: their rows are never deleted."""
    now, limits = ctx.now(), ctx.config.cleanup
    told, of_sessions = [], 0
    for rule in (
        rules.sessions(now),
        rules.notifications(now, limits),
        rules.queue(now, limits),
    ):
        page = await ctx.cleanup.deleter.page(rule, None, _SCAN_LIMIT)
        texts = await ctx.cleanup.deleter.texts(rule, None, _SCAN_LIMIT) if rule.repairs else None
        if page.invalid_ids:
            ids = ", ".join(str(each)[:40] for each in page.invalid_ids[:_NAME_LIMIT])
            told.append(f"{rule.collection} {len(page.invalid_ids)} ({ids})")
        of_sessions += len(texts.expired) if texts is not None else 0
    if told:
        return warn(
            f"timestamps that are none, whose rows stay for ever: {'; '.join(told)}",
            "look at these rows, and at who writes them",
        )
    if of_sessions:
        many = f"{_SCAN_LIMIT} or more" if of_sessions >= _SCAN_LIMIT else str(of_sessions)
        return warn(
            f"{many} sessions expire by a text, which a TTL index passes over",
            "run `python -m chesscoach.jobs.cleanup --repair-dates`",
        )
    return ok("every timestamp that was looked at can be read")


async def queue(ctx: Context) -> Finding:
    """Whether somebody works the application's analysis queue."""
    oldest = await ctx.sync.analysis_queue.oldest_pending()
    if oldest is None:
        return ok("no item waits")
    told = f"the oldest item waits since {oldest:%Y-%m-%dT%H:%M:%SZ}"
    if ctx.now() - oldest > _MAX_QUEUE_WAIT:
        return warn(told, "look whether the application's analysis worker runs")
    return ok(told)


async def jobs(ctx: Context) -> Finding:
    """When each job last succeeded, and which should have since."""
    names = list(catalog.JOBS)
    async with ctx.mongo.open_probe() as probe, time_limit():
        reader = StatisticsReader(probe.database, ctx.leases.ttl_s)
        ledger = await reader.read(names, ctx.now())
    last = ledger.last_success
    told = [f"{name} {_when(last.get(name))}" for name in names]
    overdue = sorted(
        {
            stored.schedule.job
            for stored in ledger.schedules
            if stored.is_active and _overdue(ctx.now(), stored, last.get(stored.schedule.job))
        }
    )
    if overdue:
        return warn(
            f"no success for two slots or more: {', '.join(overdue)}; last: {'; '.join(told)}",
            "see `chesscoach runs list`, and `chesscoach schedules explain`",
        )
    return ok("; ".join(told))


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else "never"


def _overdue(now: datetime, stored: StoredSchedule, last: datetime | None) -> bool:
    """Whether a schedule has had two slots without a success since the first of them."""
    newest = slots.latest_slot(stored.id, stored.schedule, now)
    if newest is None:
        return False
    before = slots.latest_slot(stored.id, stored.schedule, newest.at - timedelta(seconds=1))
    return (
        before is not None
        and before.at > stored.effective_since
        and (last is None or last < before.at)
    )
