"""Takes away what is over, every night at three: the backup to the TTL indexes, and retention.

Deletes expired sessions, old notifications that were read, stale queue items, and what is past its
time of our own run records, mails, schedules and snapshots; each by a named rule, with its limit in
`[cleanup]`. A re-run is safe at any point: a row goes only while it is as it was judged, and what a
stopped run leaves is found by the next. One rule's failure stops no other.
"""

from typing import Annotated

from msgspec import Meta, Struct

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import ChesscoachError, ConfigError
from chesscoach.jobs.cleanup import ended
from chesscoach.jobs.cleanup.sweep import Sweep
from chesscoach.models import Counts
from chesscoach.rules import retention
from chesscoach.runner.job import Job, Run
from chesscoach.store.cleaning import Rule, rules

SESSIONS, SCHEDULES = "sessions", "schedules"
RULES = (SESSIONS, "notifications", "queue", "runs", "outbox", SCHEDULES, "snapshots")


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run can be told."""

    rule: Annotated[str | None, Meta(description=f"Only this rule, of: {', '.join(RULES)}.")] = None
    repair_dates: Annotated[
        bool,
        Meta(description="Make dates of sessions' expires_at that are texts: TTL passes texts by."),
    ] = False


async def run(ctx: Context, run: Run, args: Args) -> Counts:
    """Works one rule after another."""
    names = _named(args)
    run.counts.candidates = len(names)
    for name in names:
        if run.stopping:
            run.unfinished = True
            break
        try:
            await _work(ctx, run, name, args)
        except Exception as error:  # noqa: BLE001  # one rule's failure stops no other
            _failed(run, name, error)
        else:
            run.counts.done += not run.unfinished
    return run.counts


def _named(args: Args) -> tuple[str, ...]:
    if args.rule is not None and args.rule not in RULES:
        msg = f"--rule: there is no rule {args.rule!r}; there are {', '.join(RULES)}"
        raise ConfigError(msg)
    if args.repair_dates and args.rule not in (None, SESSIONS):
        msg = f"--repair-dates: it is for {SESSIONS}, and --rule leaves them out"
        raise ConfigError(msg)
    return RULES if args.rule is None else (args.rule,)


async def _work(ctx: Context, run: Run, name: str, args: Args) -> None:
    if name == SCHEDULES:
        await ended.remove(ctx, run)
        return
    sweep = Sweep(ctx, run, await _rule(ctx, name))
    if args.repair_dates and name == SESSIONS:
        await sweep.repair()
    await sweep.delete()


async def _rule(ctx: Context, name: str) -> Rule:
    """A rule as of now."""
    now, limits = ctx.now(), ctx.config.cleanup
    if name == SESSIONS:
        return rules.sessions(now)
    if name == "runs":
        stored = [each.schedule for each in await ctx.store.schedules.all()]
        known = [*stored, *ctx.config.schedules.values()]
        before = retention.runs_before(now, ctx.config.runner.keep_runs_days, known)
        return rules.runs(before, await ctx.store.runs.newest_ids())
    by_limits = {
        "notifications": rules.notifications,
        "queue": rules.queue,
        "outbox": rules.outbox,
        "snapshots": rules.snapshots,
    }
    return by_limits[name](now, limits)


def _failed(run: Run, name: str, error: Exception) -> None:
    ours = isinstance(error, ChesscoachError)
    told = str(error) if ours else type(error).__name__
    run.counts.failed += 1
    run.counts.sample(rule=name, error=told)
    log.get_logger().error(
        "cleanup_rule_failed", rule=name, error=told, exc_info=None if ours else error
    )


JOB = Job(
    name="cleanup",
    run=run,
    args=Args,
    help="Take away what is over: sessions, notifications, queue items, and old records of ours.",
)
