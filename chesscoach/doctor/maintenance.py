"""Checks of the maintenance: clocks, invalid timestamps, the analysis queue, the jobs."""

import asyncio
from datetime import datetime, timedelta

from chesscoach.cleanup import rules
from chesscoach.cleanup.store.deletion import ExpiredDocument
from chesscoach.context import Context
from chesscoach.doctor.finding import Finding, fail, ok, warn
from chesscoach.jobs import catalog
from chesscoach.mongo.probe import time_limit
from chesscoach.mongo.server_info import server_time
from chesscoach.schedules import slots
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.store.statistics import StatisticsReader

_WARN_SKEW_S, _MAX_SKEW_S = 2.0, 300.0
"""Leases use the server's clock, slots ours, which may be at most five minutes ahead of it."""

_SCAN_LIMIT = 1000
"""Documents of a collection that the check reads: a healthy one has fewer invalid timestamps."""

_NAME_LIMIT = 3


async def clock(ctx: Context) -> Finding:
    """Compares our clock with the server's."""
    loop = asyncio.get_running_loop()
    begun, before = loop.time(), ctx.now()
    server = await server_time(ctx.mongo.database)
    took_s = loop.time() - begun
    apart_s = (server - before).total_seconds() - took_s / 2
    # A server reports milliseconds, and the request may take longer than the response.
    text = (
        f"the server's clock differs from ours by {apart_s:+.3f} s (± {took_s / 2 + 0.001:.3f} s)"
    )
    if abs(apart_s) > _MAX_SKEW_S:
        return fail(text, "synchronise both clocks with a time server")
    if abs(apart_s) > _WARN_SKEW_S + took_s:
        return warn(text, "synchronise both clocks with a time server")
    return ok(text)


async def timestamps(ctx: Context) -> Finding:
    """Finds timestamps that cannot be read: the cleanup never deletes their documents."""
    now, limits = ctx.now(), ctx.config.cleanup
    invalid, text_dates = [], 0
    for rule in (
        rules.sessions(now),
        rules.notifications(now, limits),
        rules.queue(now, limits),
    ):
        page = await ctx.cleanup.deleter.page(rule, None, _SCAN_LIMIT)
        texts = await ctx.cleanup.deleter.texts(rule, None, _SCAN_LIMIT) if rule.repairs else None
        if page.invalid_ids:
            ids = ", ".join(str(key)[:40] for key in page.invalid_ids[:_NAME_LIMIT])
            invalid.append(f"{rule.collection} {len(page.invalid_ids)} ({ids})")
        text_dates += len(texts.expired) if texts is not None else 0
    if invalid:
        return warn(
            f"invalid timestamps, so the cleanup never deletes: {'; '.join(invalid)}",
            "check these documents, and the program that writes them",
        )
    if text_dates:
        many = f"{_SCAN_LIMIT} or more" if text_dates >= _SCAN_LIMIT else str(text_dates)
        return warn(
            f"{many} sessions have their expiry as text, which a TTL index ignores",
            "run `python -m chesscoach.jobs.cleanup --repair-dates`",
        )
    return ok("every timestamp that was checked can be read")


async def usernames(ctx: Context) -> Finding:
    """Checks that no user has two different names on Chess.com."""
    count = await ctx.users.count_conflicting_names(_SCAN_LIMIT)
    if count:
        many = f"{_SCAN_LIMIT} or more" if count >= _SCAN_LIMIT else str(count)
        return warn(
            f"users with different names in chess_com_username and chesscom_username: {many}; "
            "the sync uses the first of the two",
            "remove the name that is out of date from these users",
        )
    return ok("no user has two different names on Chess.com")


async def progress(ctx: Context) -> Finding:
    """Checks that no user has several documents in user_progress."""
    users = await ctx.momentum.players.with_surplus_progress(_SCAN_LIMIT)
    if users:
        many = f"{_SCAN_LIMIT} or more" if len(users) >= _SCAN_LIMIT else str(len(users))
        ids = ", ".join(str(user)[:40] for user in users[:_NAME_LIMIT])
        return warn(
            f"users with several documents in user_progress: {many} ({ids}); momentum uses the "
            "oldest",
            "move what the younger documents hold into the oldest, and delete them",
        )
    return ok("each user has at most one document in user_progress")


async def queue(ctx: Context) -> Finding:
    """Counts the items of the analysis queue that the next cleanup deletes or puts back."""
    limits = ctx.config.cleanup
    rule = rules.queue(ctx.now(), limits)
    stale, after = list[ExpiredDocument](), None
    while len(stale) < _SCAN_LIMIT:
        page = await ctx.cleanup.deleter.page(rule, after, _SCAN_LIMIT)
        stale += page.expired
        after = page.next
        if after is None:
            break
    if not stale:
        return ok(f"no item has been waiting for more than {limits.queue_hours} h")
    many = f"{len(stale)} or more" if len(stale) >= _SCAN_LIMIT else str(len(stale))
    not_ours = sum(not item.ours for item in stale)
    oldest = min(item.at for item in stale)
    return warn(
        f"items that have been waiting for more than {limits.queue_hours} h: {many}, the oldest "
        f"since {oldest:%Y-%m-%dT%H:%M:%SZ}; the application itself queued {not_ours} of them",
        "check that the application's analysis worker runs: the cleanup removes such items",
    )


async def jobs(ctx: Context) -> Finding:
    """Says when each job last succeeded, and which jobs are overdue."""
    names = list(catalog.JOBS)
    async with ctx.mongo.open_probe() as probe, time_limit():
        reader = StatisticsReader(probe.database, ctx.leases.ttl_s)
        ledger = await reader.read(names, ctx.now())
    last = ledger.last_success
    successes = [f"{name} {_when(last.get(name))}" for name in names]
    overdue = sorted(
        {
            stored.schedule.job
            for stored in ledger.schedules
            if stored.is_active and _overdue(ctx.now(), stored, last.get(stored.schedule.job))
        }
    )
    if overdue:
        return warn(
            f"no success for two slots or more: {', '.join(overdue)}; last: {'; '.join(successes)}",
            "see `chesscoach runs list`, and `chesscoach schedules explain`",
        )
    return ok(f"last success: {'; '.join(successes)}")


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else "never"


def _overdue(now: datetime, stored: StoredSchedule, last: datetime | None) -> bool:
    """Whether a schedule has had two slots with no success since the first of them."""
    newest = slots.latest_slot(stored.id, stored.schedule, now)
    if newest is None:
        return False
    before = slots.latest_slot(stored.id, stored.schedule, newest.at - timedelta(seconds=1))
    return (
        before is not None
        and before.at > stored.effective_since
        and (last is None or last < before.at)
    )
