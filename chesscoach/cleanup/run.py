"""The cleanup's run: one rule after another."""

from chesscoach import log
from chesscoach.cleanup import finished_schedules, rules
from chesscoach.cleanup.context import CleanupContext
from chesscoach.cleanup.rules import Rule
from chesscoach.cleanup.sweep import Sweep
from chesscoach.errors import ChesscoachError, ConfigError
from chesscoach.schedules import retention
from chesscoach.worker.job import Run

SESSIONS, SCHEDULES = "sessions", "schedules"
RULES = (SESSIONS, "notifications", "queue", "runs", "outbox", SCHEDULES, "snapshots")


async def clean(
    ctx: CleanupContext, run: Run, *, only: str | None = None, repair_dates: bool = False
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


def _selected_rules(only: str | None, *, repair_dates: bool) -> tuple[str, ...]:
    if only is not None and only not in RULES:
        msg = f"--rule: {only!r} is not a rule: give one of {', '.join(RULES)}"
        raise ConfigError(msg)
    if repair_dates and only not in (None, SESSIONS):
        msg = f"--repair-dates repairs {SESSIONS}: leave out --rule, or give --rule {SESSIONS}"
        raise ConfigError(msg)
    return RULES if only is None else (only,)


async def _run_rule(ctx: CleanupContext, run: Run, name: str, *, repair_dates: bool) -> None:
    if name == SCHEDULES:
        await finished_schedules.remove_finished(ctx, run)
        return
    sweep = Sweep(ctx, run, await _build_rule(ctx, name))
    if repair_dates and name == SESSIONS:
        await sweep.repair()
    await sweep.delete()


async def _build_rule(ctx: CleanupContext, name: str) -> Rule:
    """A rule as of now."""
    now, limits = ctx.now(), ctx.settings
    if name == SESSIONS:
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
