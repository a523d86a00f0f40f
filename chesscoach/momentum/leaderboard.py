"""Ranks the players of closed weeks and months; the first of a week become legends.

The order of writes: ranks, awards, notifications, achievements, and at last the state. A run that
is killed in between does it again with the same results.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from chesscoach.momentum import notifications, periods
from chesscoach.momentum.achievements import LEADERBOARD_LEGEND
from chesscoach.momentum.booking.batches import apply_batches
from chesscoach.momentum.check import Check
from chesscoach.momentum.closing import close_periods
from chesscoach.momentum.periods import KINDS, Kind, Period
from chesscoach.momentum.points import Award
from chesscoach.momentum.store.achievements import Unlocked
from chesscoach.momentum.store.periods import BoardEntry

_NOTIFIED_RANKS = 3
_UTC = ZoneInfo("UTC")


def rank_instants(after: datetime, until: datetime, hour: int) -> list[datetime]:
    """The instants after one at which a period can be ranked."""
    instants = []
    for kind in KINDS:
        period = periods.last_ranked(kind, after, hour).after
        while period.ranked_at(hour) <= until:
            instants.append(period.ranked_at(hour))
            period = period.after
    return instants


async def rank_players(check: Check, at: datetime) -> None:
    """Ranks every period that has closed in all time zones at an instant and has no ranks yet.

    Without its evidence, no period is ranked.
    """
    if check.user_id is not None:
        return  # ranks compare all players
    at = min(at, check.booked_until)
    for kind in KINDS:
        for period in _unranked(check, kind, at):
            await close_periods(check, at, await check.zones(), (kind,))
            best = await _rank(check, period)
            if kind == "week":
                await _honour(check, period, best)
            await check.notify(
                notifications.ranked(user_id, kind, period.key, rank, points)
                for user_id, rank, points in best
            )
            ranked = {**check.state.ranked, kind: period.key}
            if not check.run.dry_run:
                await check.ctx.state.save(check.run.fence, ranked=ranked)
            check.state = replace(check.state, ranked=ranked)


def _unranked(check: Check, kind: Kind, at: datetime) -> list[Period]:
    """The periods without ranks that can be ranked at an instant, oldest first."""
    last = periods.last_ranked(kind, at, check.ctx.settings.rank_hour)
    first = periods.last_ended(kind, check.state.since, _UTC)
    ranked = max(check.state.ranked.get(kind, ""), first.key)
    period, found = periods.parse_key(kind, ranked).after, list[Period]()
    while period.key <= last.key:
        found.append(period)
        period = period.after
    return found


async def _rank(check: Check, period: Period) -> list[tuple[str, int, int]]:
    """Writes ranks (1, 1, 3); returns the best players with their ranks and points."""
    best, left_out, place, rank, points = list[tuple[str, int, int]](), list[str](), 0, 0, -1
    async for page in _board(check, period):
        rankable = await check.ctx.players.rankable([user_id for _, user_id, _ in page])
        ranks: dict[int, int] = {}
        for key, user_id, earned in page:
            if user_id not in rankable:
                left_out.append(key)
                continue
            place += 1
            if earned != points:
                rank, points = place, earned
                ranks[earned] = rank
            if rank <= _NOTIFIED_RANKS:
                best.append((user_id, rank, earned))
        if not check.run.dry_run:
            await check.ctx.periods.save_ranks(period.kind, period.key, ranks)
    if not check.run.dry_run:
        await check.ctx.periods.remove_ranks(left_out)
    check.note(f"{period.kind}s_ranked", 1)
    check.note("players_ranked", place)
    return best


async def _board(check: Check, period: Period) -> AsyncIterator[list[BoardEntry]]:
    """Pages of the results of a period with points, most first."""
    size = check.ctx.settings.batch
    pages = check.ctx.periods.board(period.kind, period.key, size)
    if not check.run.dry_run:
        async for page in pages:
            yield page
        return
    board = check.dry.board(period, [entry async for page in pages for entry in page])
    for start in range(0, len(board), size):
        yield board[start : start + size]


async def _honour(check: Check, week: Period, best: list[tuple[str, int, int]]) -> None:
    """Makes those who led a week with enough points legends, once in a lifetime."""
    settings, legend = check.ctx.settings, LEADERBOARD_LEGEND.id
    first = {
        user_id: points
        for user_id, rank, points in best
        if rank == 1 and points >= settings.legend_points
    }
    owned = await check.owned_by(first)
    players = {
        user_id: player
        for user_id, player in (await check.players_of(first)).items()
        if legend not in owned.get(user_id, ())
    }
    at = week.ranked_at(settings.rank_hour).astimezone(UTC)
    amount = settings.amounts.leaderboard_legend
    awards = [
        Award(
            action="achievement_unlocked",
            user_id=user_id,
            ref=legend,
            points=amount,
            at=at,
            day=periods.local_date(at, check.zone_of(player)),
            lifetime=True,
        )
        for user_id, player in players.items()
    ]
    await check.add(awards, players, check.now)
    await apply_batches(check)
    await check.notify(notifications.legend(user_id, week.key, amount) for user_id in players)
    await check.unlock(
        [Unlocked(user_id=user_id, achievement=legend, at=at, week=week.key) for user_id in players]
    )
    check.note("legends", len(players))
