"""Closes weeks and months: pays perfect ones, freezes results, and begins the new counters.

A period is final for a player when the player's progress says so (`week_closed`, `month_closed`).
So each run finds what is open, however late it comes, and a player who moves to another time zone
has each period closed once.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime, timedelta

from chesscoach.momentum import notices, periods, zones
from chesscoach.momentum.booking.application import apply_batches
from chesscoach.momentum.check import Check
from chesscoach.momentum.periods import KINDS, Kind, Period
from chesscoach.momentum.player import Player
from chesscoach.momentum.points import Action, Award
from chesscoach.momentum.store.periods import Result
from chesscoach.momentum.store.progress import open_query, reset_query

_SECOND = timedelta(seconds=1)
_PERFECT: dict[Kind, Action] = {"week": "perfect_week", "month": "perfect_month"}


async def pay_perfect(check: Check, at: datetime, names: Collection[str]) -> None:
    """Pays all open periods of both kinds that have closed in some zones and are perfect."""
    for kind in KINDS:
        async for period, players in _open_periods(check, kind, at, names):
            counts = await _sessions(check, period, players)
            perfect = [
                player
                for player in players
                if is_perfect(check, kind, *counts.get(player.user_id, (0, 0)))
            ]
            amount = getattr(check.ctx.settings.amounts, _PERFECT[kind])
            awards = [
                Award(
                    action=_PERFECT[kind],
                    user_id=player.user_id,
                    ref=period.key,
                    points=amount,
                    at=period.ends_at(check.zone_of(player)) - _SECOND,
                    day=period.last,
                )
                for player in perfect
            ]
            await check.add(awards, {player.user_id: player for player in perfect}, at)
            await check.notify(
                notices.perfect(player.user_id, period, counts[player.user_id][0], amount)
                for player in perfect
            )
            await apply_batches(check)


async def freeze(check: Check, kind: Kind, at: datetime, names: Collection[str]) -> None:
    """Makes the results of all periods of a kind final that have closed in some zones."""
    async for period, players in _open_periods(check, kind, at, names):
        ids = [player.user_id for player in players]
        points = await check.ctx.ledger.sums(kind, period.key, ids)
        counts = await _sessions(check, period, players)
        results = [
            Result(
                user_id=user_id,
                points=points.get(user_id, 0),
                planned=counts.get(user_id, (0, 0))[0],
                done=counts.get(user_id, (0, 0))[1],
                perfect=is_perfect(check, kind, *counts.get(user_id, (0, 0))),
            )
            for user_id in ids
            if user_id in points or user_id in counts
        ]
        check.note(f"{kind}s_closed", len(results))
        if not check.run.dry_run:
            await check.ctx.periods.add(period, results, check.now)
            await check.ctx.progress.close(kind, [player.id for player in players], period.key)


async def reset_counters(check: Check, kind: Kind) -> None:
    """Begins the current period in the counters of all players whose counter is older."""
    names = await check.ctx.players.zones()
    by_key: dict[str, list[str]] = {}
    for day, group in zones.by_date(names, check.now).items():
        by_key.setdefault(periods.key_of(kind, day), []).extend(group)
    for key, group in by_key.items():
        if check.run.dry_run:
            count = await check.ctx.progress.count(reset_query(kind, group, key, check.user_id))
        else:
            count = await check.ctx.progress.reset(kind, group, key, check.user_id)
        check.note(f"{kind}s_reset", count)


def is_perfect(check: Check, kind: Kind, planned: int, done: int) -> bool:
    """Whether all sessions of a period were completed, and there were enough of them."""
    settings = check.ctx.settings
    wanted = settings.perfect_week_sessions if kind == "week" else settings.perfect_month_sessions
    return planned >= wanted and done == planned


async def _open_periods(
    check: Check, kind: Kind, at: datetime, names: Collection[str]
) -> AsyncIterator[tuple[Period, list[Player]]]:
    """The closed periods that are not final yet, oldest first, with a page of their players."""
    hour, size = check.ctx.settings.close_hour, check.ctx.settings.batch
    for last, group in zones.by_last_closed(names, kind, at, hour).items():
        query = open_query(kind, group, last.key, check.user_id)
        async for page in check.ctx.progress.pages(query, size):
            by_period: dict[str, tuple[Period, list[Player]]] = {}
            for player in page:
                for period in _periods_after(kind, player.closed[kind], last):
                    by_period.setdefault(period.key, (period, []))[1].append(player)
            for key in sorted(by_period):
                yield by_period[key]


def _periods_after(kind: Kind, closed: str, last: Period) -> list[Period]:
    """The periods after the one of a key, up to the last one; only that if the key is none."""
    try:
        period = periods.parse_key(kind, closed).after
    except ValueError:
        return [last]
    found = []
    while period.key <= last.key:
        found.append(period)
        period = period.after
    return found


async def _sessions(
    check: Check, period: Period, players: Sequence[Player]
) -> dict[str, tuple[int, int]]:
    """The sessions that players had planned in a period, and those that they completed."""
    ids = [player.user_id for player in players]
    return await check.ctx.sessions.planned(period.first, period.last, ids)
