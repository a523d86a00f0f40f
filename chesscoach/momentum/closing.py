"""Closes weeks and months: pays perfect ones, freezes results, and begins the new counters.

A period is final for a player when the player's progress says so (`week_closed`, `month_closed`).
So each run finds what is open, however late it comes, and a player who moves to another time zone
has each period closed once.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from chesscoach.momentum import notifications, periods, zones
from chesscoach.momentum.booking.batches import apply_batches
from chesscoach.momentum.check import Check
from chesscoach.momentum.periods import KINDS, Kind, Period
from chesscoach.momentum.player import Player
from chesscoach.momentum.points import Action, Award
from chesscoach.momentum.store.periods import Result
from chesscoach.momentum.store.progress import open_query, reset_query
from chesscoach.mongo.client import Document

_SECOND = timedelta(seconds=1)
_NO_SESSIONS = (0, 0)
_PERFECT: dict[Kind, Action] = {"week": "perfect_week", "month": "perfect_month"}

Sessions: TypeAlias = Mapping[str, tuple[int, int]]
"""How many training sessions users had planned, and how many they completed."""


async def close_periods(
    check: Check, at: datetime, names: Collection[str], kinds: Collection[Kind]
) -> None:
    """Pays all open periods that have closed in some zones; makes those of some kinds final.

    A perfect month may pay into the week of its last day, and a perfect week into the month of its
    own. So perfect months come before results of weeks, and perfect weeks before those of months.
    """
    has_open = check.run.dry_run  # it looks for players without a zone as well
    if not has_open and not await check.ctx.progress.has_any(*_open_queries(check, at, names)):
        return
    has_month = False
    async for period, players in _open_periods(check, "month", at, names):
        has_month = True
        await _pay_perfect(check, period, players, at)
    async for period, players in _open_periods(check, "week", at, names):
        sessions = await _pay_perfect(check, period, players, at)
        if "week" in kinds:
            await _freeze(check, period, players, sessions)
    if has_month and "month" in kinds:
        async for period, players in _open_periods(check, "month", at, names):
            sessions = await _sessions(check, period, players)
            await _freeze(check, period, players, sessions)
    if check.run.dry_run:
        for kind in kinds:
            groups = zones.by_last_closed(names, kind, at, check.ctx.settings.close_hour)
            check.dry.close(kind, {last.key: group for last, group in groups.items()})


async def _pay_perfect(
    check: Check, period: Period, players: Sequence[Player], at: datetime
) -> Sessions:
    """Pays a period to those players for whom it is perfect; returns the sessions of all."""
    action, sessions = _PERFECT[period.kind], await _sessions(check, period, players)
    amount = getattr(check.ctx.settings.amounts, action)
    perfect = [
        player
        for player in players
        if is_perfect(check, period.kind, *sessions.get(player.user_id, _NO_SESSIONS))
    ]
    awards = [
        Award(
            action=action,
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
        notifications.perfect(player.user_id, period, sessions[player.user_id][0], amount)
        for player in perfect
    )
    await apply_batches(check)
    return sessions


async def _freeze(
    check: Check, period: Period, players: Sequence[Player], sessions: Sessions
) -> None:
    """Makes the results of a period final for some players."""
    kind, user_ids = period.kind, [player.user_id for player in players]
    stored = await check.ctx.ledger.sums(kind, period.key, user_ids)
    points = check.dry.sums(period.key, stored, user_ids)
    results = [
        Result(
            user_id=user_id,
            points=points.get(user_id, 0),
            planned=planned,
            done=done,
            perfect=is_perfect(check, kind, planned, done),
        )
        for user_id in user_ids
        if user_id in points or user_id in sessions
        for planned, done in [sessions.get(user_id, _NO_SESSIONS)]
    ]
    check.note(f"{kind}s_closed", len(results))
    if check.run.dry_run:
        check.dry.freeze(period, results)
        return
    await check.ctx.periods.add(period, results, check.now)
    await check.ctx.progress.close(kind, [player.id for player in players], period.key)


async def reset_counters(check: Check, kind: Kind) -> None:
    """Begins the current period in the counters of all players whose counter is older."""
    progress, by_key = check.ctx.progress, dict[str, list[str]]()
    for day, group in zones.by_date(await check.zones(), check.now).items():
        by_key.setdefault(periods.key_of(kind, day), []).extend(group)
    for key, group in by_key.items():
        for players in check.filters(group):
            if check.run.dry_run:
                count = await progress.count(reset_query(kind, key, players))
            else:
                count = await progress.reset(kind, key, players)
            check.note(f"{kind}s_reset", count)
        check.note(f"{kind}s_reset", check.dry.more_resets(kind, key, group))


def is_perfect(check: Check, kind: Kind, planned: int, done: int) -> bool:
    """Whether all sessions of a period were completed, and there were enough of them."""
    settings = check.ctx.settings
    wanted = settings.perfect_week_sessions if kind == "week" else settings.perfect_month_sessions
    return planned >= wanted and done == planned


def _open_queries(check: Check, at: datetime, names: Collection[str]) -> list[Document]:
    hour = check.ctx.settings.close_hour
    return [
        open_query(kind, last.key, next(check.filters(group)))
        for kind in KINDS
        for last, group in zones.by_last_closed(names, kind, at, hour).items()
    ]


async def _open_periods(
    check: Check, kind: Kind, at: datetime, names: Collection[str]
) -> AsyncIterator[tuple[Period, list[Player]]]:
    """The closed periods that are not final yet, oldest first, with a page of their players."""
    for last, group in zones.by_last_closed(names, kind, at, check.ctx.settings.close_hour).items():
        open_zones = check.dry.open_zones(kind, last.key, group)
        async for page in _pages(check, kind, last, open_zones):
            by_closed: dict[str, list[Player]] = {}
            for player in page:
                closed = max(player.closed[kind], check.dry.closed(kind, player.tz))
                by_closed.setdefault(closed, []).append(player)
            by_period: dict[str, tuple[Period, list[Player]]] = {}
            for closed, players in by_closed.items():
                for period in _periods_after(kind, closed, last):
                    by_period.setdefault(period.key, (period, []))[1].extend(players)
            for key in sorted(by_period):
                yield by_period[key]


async def _pages(
    check: Check, kind: Kind, last: Period, names: Collection[str]
) -> AsyncIterator[list[Player]]:
    """Pages of the players of some zones for whom a period is open."""
    size = check.ctx.settings.batch
    query = open_query(kind, last.key, next(check.filters(names)))
    async for page in check.ctx.progress.pages(query, size, only_periods=True):
        yield [player for player in page if player.user_id not in check.dry.zones]
    moved = check.dry.users_moved_to(names)
    for start in range(0, len(moved), size):
        players = await check.players_of(moved[start : start + size])
        yield [player for player in players.values() if player.closed[kind] < last.key]


def _periods_after(kind: Kind, closed: str, last: Period) -> list[Period]:
    """The periods after the one of a key, up to the last one; only the last one without a key."""
    try:
        period = periods.parse_key(kind, closed).after
    except ValueError:
        return [last]
    found = []
    while period.key <= last.key:
        found.append(period)
        period = period.after
    return found


async def _sessions(check: Check, period: Period, players: Sequence[Player]) -> Sessions:
    """The sessions that players had planned in a period, and completed before it closed."""
    hour, sessions = check.ctx.settings.close_hour, dict[str, tuple[int, int]]()
    by_zone: dict[ZoneInfo, list[str]] = {}
    for player in players:
        by_zone.setdefault(check.zone_of(player), []).append(player.user_id)
    users: dict[datetime, list[str]] = {}
    for zone, user_ids in by_zone.items():
        users.setdefault(period.closes_at(zone, hour), []).extend(user_ids)
    for closes_at, user_ids in users.items():
        planned = check.ctx.sessions.planned
        sessions |= await planned(period.first, period.last, closes_at, user_ids)
    return sessions
