"""Players by time zone: a checked zone for each player, and which zones share a local date.

Zones are calculated here and never on the server. At any instant there are at most three local
dates, so what depends on the date takes as many commands, whatever the number of players.
"""

import asyncio
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from chesscoach import log
from chesscoach.momentum import periods
from chesscoach.momentum.check import Check
from chesscoach.momentum.periods import KINDS, Kind, Period
from chesscoach.momentum.store.players import ZoneChange, ZoneOf
from chesscoach.mongo.client import Document
from chesscoach.players.zone_names import known_zones

_IDS_LOGGED = 3


async def refresh_zones(check: Check, user_ids: Collection[str] | None = None) -> None:
    """Copies the users' time zones into their progress, checked; the default where it is invalid.

    A player who is new begins with the periods that were final when evidence was last booked.
    """
    known = await asyncio.to_thread(known_zones)
    invalid, surplus = list[str](), list[Any]()
    users = [check.user_id] if check.user_id is not None and user_ids is None else user_ids

    async def refresh(documents: list[Document]) -> None:
        changes: dict[ZoneChange, list[Any]] = {}
        for player in await check.ctx.players.zones_of(documents):
            surplus.extend(player.surplus)
            if player.stored == (player.wanted, "user") and not player.new:
                continue
            change = _zone_change(check, player, known)
            if change.source == "invalid":
                invalid.append(player.user_id)
            if change.closed or player.stored != (change.tz, change.source):
                changes.setdefault(change, []).append(player.id)
            if check.run.dry_run:
                _note_zone(check, player, change)
        check.note("timezones_changed", sum(map(len, changes.values())))
        if changes and not check.run.dry_run:
            await check.ctx.players.change_zones(changes)
            check.forget_zones()

    if check.run.dry_run and user_ids is not None:  # their progress is not stored
        await refresh([{"_id": user_id, "user_id": user_id} for user_id in user_ids])
        return
    pages = check.ctx.players.progress_pages(check.ctx.settings.batch, users)
    await check.run.for_each(pages, refresh)
    if user_ids is None:
        _report(check, invalid, surplus)


def _note_zone(check: Check, player: ZoneOf, change: ZoneChange) -> None:
    if player.stored[0] != change.tz:
        check.dry.move(player.user_id, change)
    if player.stored[0] is None:
        check.unzoned.setdefault(change.tz, []).append(player.id)


def _report(check: Check, invalid: Sequence[str], surplus: Sequence[Any]) -> None:
    if invalid:
        check.run.counts.notes["invalid_timezones"] = len(invalid)
        log.get_logger().warning(
            "momentum_timezones_invalid", count=len(invalid), users=invalid[:_IDS_LOGGED]
        )
    if surplus:
        check.run.counts.notes["surplus_progress"] = len(surplus)
        log.get_logger().warning(
            "momentum_progress_surplus",
            count=len(surplus),
            ids=[str(key) for key in surplus[:_IDS_LOGGED]],
        )


async def all_zones(check: Check) -> list[str]:
    """The zones in use, and those in which a player may appear while evidence is booked."""
    known = await asyncio.to_thread(known_zones)
    wanted = known & set(await check.ctx.players.wanted_zones())
    return sorted({*wanted, *await check.zones(), check.ctx.settings.timezone})


def by_date(names: Collection[str], at: datetime) -> dict[date, list[str]]:
    """Time zones by the local date of an instant."""
    groups: dict[date, list[str]] = {}
    for name in names:
        groups.setdefault(periods.local_date(at, periods.zone_of(name)), []).append(name)
    return groups


def by_last_closed(
    names: Collection[str], kind: Kind, at: datetime, close_hour: int
) -> dict[Period, list[str]]:
    """Time zones by the last period that has closed in them."""
    groups: dict[Period, list[str]] = {}
    for name in names:
        period = periods.last_closed(kind, at, periods.zone_of(name), close_hour)
        groups.setdefault(period, []).append(name)
    return groups


def closings(
    names: Collection[str], after: datetime, until: datetime, close_hour: int
) -> dict[datetime, list[str]]:
    """The instants after one, in their order, at which a period closes, and in which zones."""
    found: dict[datetime, set[str]] = {}
    for name in names:
        zone = periods.zone_of(name)
        for kind in KINDS:
            period = periods.last_closed(kind, after, zone, close_hour).after
            while (closes := period.closes_at(zone, close_hour)) <= until:
                found.setdefault(closes, set()).add(name)
                period = period.after
    return {at: sorted(found[at]) for at in sorted(found)}


def _zone_change(check: Check, player: ZoneOf, known: Collection[str]) -> ZoneChange:
    wanted = player.wanted
    if isinstance(wanted, str) and wanted in known:
        tz, source = str(wanted), "user"
    else:
        blank = wanted is None or wanted == ""
        tz, source = check.ctx.settings.timezone, "default" if blank else "invalid"
    closed = _first_closed(check, periods.zone_of(tz), player.new) if player.new else ()
    return ZoneChange(tz=tz, source=source, closed=closed)


def _first_closed(
    check: Check, zone: ZoneInfo, kinds: Sequence[Kind]
) -> tuple[tuple[Kind, str], ...]:
    """The periods that are final for a new player: what ended before our first instant is."""
    state, hour = check.state, check.ctx.settings.close_hour
    return tuple(
        (
            kind,
            max(
                periods.last_ended(kind, state.since, zone).key,
                periods.last_closed(kind, state.booked_until, zone, hour).key,
            ),
        )
        for kind in kinds
    )
