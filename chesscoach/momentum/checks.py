"""The checks in their order: evidence and perfect periods first, then what the periods close.

Evidence is booked up to the instant at which a period closes somewhere, and then that period is
closed there, and so on until now. So a run that comes days late ends as hourly runs would have.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal

from chesscoach import log
from chesscoach.errors import ChesscoachError, ConfigError, LeaseLost
from chesscoach.momentum import closing, expiry, leaderboard, zones
from chesscoach.momentum.booking import windows
from chesscoach.momentum.booking.batches import apply_batches
from chesscoach.momentum.check import Check
from chesscoach.momentum.context import MomentumContext
from chesscoach.momentum.periods import Kind
from chesscoach.momentum.store.state import State
from chesscoach.worker.job import Run

CheckName = Literal["all", "leaderboard", "streaks", "weekly", "monthly"]
_ORDER = ("weekly", "monthly", "leaderboard", "streaks")
_KINDS: dict[str, Kind] = {"weekly": "week", "monthly": "month"}

Step = Callable[[Check], Awaitable[None]]


async def run_checks(
    ctx: MomentumContext, run: Run, now: datetime, *, check: CheckName, user_id: str | None
) -> None:
    """Runs one check or all of them; the failure of one stops no other.

    Raises:
        ConfigError: there is no such user.
        LeaseLost: another run has taken the lease.
    """
    names = _ORDER if check == "all" else (check,)
    if user_id is not None and not await _is_known(ctx, user_id):
        msg = f"--user: there is no user {user_id!r}"
        raise ConfigError(msg)
    state = await _state(ctx, run, now)
    shared = Check(ctx, run, state, now=now, user_id=user_id)
    steps: list[tuple[str, Step]] = [("booking", lambda one: _book(one, names))]
    steps += [(name, _step(name)) for name in names]
    run.counts.candidates = len(steps)
    for name, step in steps:
        if run.stopping:
            run.incomplete = True
            return
        try:
            await step(shared)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001  # the failure of one check stops no other
            _record_failure(run, name, error)
        else:
            run.counts.done += 1


async def _is_known(ctx: MomentumContext, user_id: str) -> bool:
    return bool(await ctx.players.existing([user_id]) or await ctx.progress.of_users([user_id]))


async def _state(ctx: MomentumContext, run: Run, now: datetime) -> State:
    """The state; the first run records its instant."""
    state = await ctx.state.read()
    if state is not None:
        return state
    if run.dry_run:
        return State(started_at=now, since=now, booked_until=now)
    return await ctx.state.begin(now)


async def _book(check: Check, names: tuple[str, ...]) -> None:
    """Books evidence, closes periods and ranks players, in the order of time.

    A run that was killed may have booked up to an instant and not done what was due at it. So that
    instant is the first one again, before later evidence.
    """
    await apply_batches(check)
    await zones.refresh_zones(check)
    await windows.report_undated(check)
    settings, begun = check.ctx.settings, check.booked_until - datetime.resolution
    closings = zones.closings(await zones.all_zones(check), begun, check.now, settings.close_hour)
    rankings = leaderboard.rank_instants(begun, check.now, settings.rank_hour)
    for at in sorted({*closings, *rankings}):
        await _book_until(check, names, at, closings.get(at, []))
    await _book_until(check, names, check.now, await check.zones())


async def _book_until(
    check: Check, names: tuple[str, ...], at: datetime, closing_zones: list[str]
) -> None:
    """Books evidence up to an instant, and does what the selected checks do at that instant."""
    await windows.book_until(check, at)
    if check.run.stopping:
        check.run.incomplete = True
        return
    kinds = [_KINDS[name] for name in names if name in _KINDS]
    await closing.close_periods(check, at, closing_zones, kinds)
    if "leaderboard" in names:
        await leaderboard.rank_players(check, at)


def _step(name: str) -> Step:
    if name in _KINDS:
        return lambda check: closing.reset_counters(check, _KINDS[name])
    return _rank if name == "leaderboard" else _streaks


async def _rank(check: Check) -> None:
    await leaderboard.rank_players(check, check.now)


async def _streaks(check: Check) -> None:
    await expiry.show_streaks(check)
    await expiry.end_streaks(check)


def _record_failure(run: Run, name: str, error: Exception) -> None:
    ours = isinstance(error, ChesscoachError)
    reason = str(error) if ours else type(error).__name__
    run.counts.failed += 1
    run.counts.add_error(check=name, error=reason)
    log.get_logger().error(
        "momentum_check_failed", check=name, error=reason, exc_info=None if ours else error
    )
