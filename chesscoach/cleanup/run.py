"""The cleanup's run: one rule after another."""

from typing import Literal, get_args

from chesscoach import log
from chesscoach.cleanup import finished_schedules, rules
from chesscoach.cleanup.context import CleanupContext
from chesscoach.cleanup.rules import Rule
from chesscoach.cleanup.sweep import Sweep
from chesscoach.errors import ChesscoachError, ConfigError
from chesscoach.schedules import retention
from chesscoach.worker.job import Run

RuleName = Literal["sessions", "notifications", "queue", "runs", "outbox", "schedules", "snapshots"]
RULES: tuple[RuleName, ...] = get_args(RuleName)


async def clean(
    ctx: CleanupContext, run: Run, *, only: RuleName | None = None, repair_dates: bool = False
) -> None:
    """Runs one rule after another; the failure of one stops no other."""
    names = _selected_rules(only, repair_dates=repair_dates)
    run.counts.candidates = len(names)
    for name in names:
        if run.stopping:
            run.incomplete = True
            break
        try:
            await _run_rule(ctx, run, name, repair_dates=repair_dates)
        except Exception as error:  # noqa: BLE001  # one rule's failure stops no other
            _record_failure(run, name, error)
        else:
            run.counts.done += not run.incomplete


def _selected_rules(only: RuleName | None, *, repair_dates: bool) -> tuple[RuleName, ...]:
    if repair_dates and only not in (None, "sessions"):
        msg = "--repair-dates repairs sessions: leave out --rule, or give --rule sessions"
        raise ConfigError(msg)
    return RULES if only is None else (only,)


async def _run_rule(ctx: CleanupContext, run: Run, name: RuleName, *, repair_dates: bool) -> None:
    if name == "schedules":
        await finished_schedules.remove_finished(ctx, run)
        return
    sweep = Sweep(ctx, run, await _build_rule(ctx, name))
    if repair_dates and name == "sessions":
        await sweep.repair()
    await sweep.delete()


async def _build_rule(ctx: CleanupContext, name: RuleName) -> Rule:
    """A rule as of now."""
    now, limits = ctx.now(), ctx.settings
    if name == "sessions":
        return rules.sessions(now)
    if name == "runs":
        stored = [known.schedule for known in await ctx.schedules.all()]
        schedules = [*stored, *ctx.configured_schedules.values()]
        before = retention.runs_before(now, ctx.runner.keep_runs_days, schedules)
        return rules.runs(before, await ctx.runs.newest_ids())
    by_limits = {
        "notifications": rules.notifications,
        "queue": rules.queue,
        "outbox": rules.outbox,
        "snapshots": rules.snapshots,
    }
    return by_limits[name](now, limits)


def _record_failure(run: Run, name: str, error: Exception) -> None:
    ours = isinstance(error, ChesscoachError)
    reason = str(error) if ours else type(error).__name__
    run.counts.failed += 1
    run.counts.add_error(rule=name, error=reason)
    log.get_logger().error(
        "cleanup_rule_failed", rule=name, error=reason, exc_info=None if ours else error
    )
