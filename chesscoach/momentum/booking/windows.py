"""Books evidence in the ledger: window by window, in the order of time.

The order within a window: awards into the ledger, streaks, what pages show of them, counters, and
at last the cursor. A run that is killed in between reads the same evidence again; the keys of the
ledger and the days of a streak make that harmless.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from chesscoach import log
from chesscoach.momentum import periods, zones
from chesscoach.momentum.booking.awards import OF_ANALYSES, LocalDay, awards_of
from chesscoach.momentum.booking.batches import apply_batches
from chesscoach.momentum.booking.evidence import CompletedSession, EvidencePage, EvidenceWindow
from chesscoach.momentum.booking.streak_booking import StreakBooking
from chesscoach.momentum.check import Check
from chesscoach.momentum.player import Player
from chesscoach.momentum.points import Award, ledger_key
from chesscoach.momentum.store.evidence import Window
from chesscoach.momentum.store.progress_documents import to_player
from chesscoach.momentum.store.sessions import Session

_MAX_WINDOW = timedelta(days=1)
_MIN_WINDOW = timedelta(minutes=1)
_MAX_DOCUMENTS = 5000
"""Evidence that is held at a time; a page with more is halved, down to a minute."""

_MAX_UNDATED = 1000
_EASTERNMOST_OFFSET, _WESTERNMOST_OFFSET = timedelta(hours=14), timedelta(hours=12)
_WESTERNMOST = ZoneInfo("Etc/GMT+12")


async def book_until(check: Check, until: datetime) -> None:
    """Books the evidence up to an instant, and moves the cursor.

    Each run reads the overlap, even if it comes at the instant of the last one.
    """
    overlap = timedelta(seconds=check.ctx.settings.overlap_s)
    cursor = check.booked_until
    while cursor < until or (cursor == until and not check.has_booked):
        if check.run.stopping:
            return
        is_first, check.has_booked = not check.has_booked, True
        after = max(cursor - overlap if is_first else cursor, check.state.since)
        page = check.page = await _page(check, after, cursor)
        window = Window(after=after, until=min(until, cursor + _MAX_WINDOW, page.until))
        first_day = _first_open_day(check) if is_first else _first_day_beginning(window)
        await _book_window(check, page.found.between(after, window.until), window, first_day)
        cursor = window.until
        check.booked_until = cursor
        if not check.run.dry_run and check.user_id is None:
            await check.ctx.state.save(check.run.fence, **_progress(check))
            check.state = replace(check.state, **_progress(check))


def _progress(check: Check) -> dict[str, Any]:
    """What the state says after a window; batches are settled when all windows are booked.

    The streaks of a batch that a killed run has left may belong to any of them.
    """
    settled = check.state.applied if check.booked_until >= check.now else check.state.settled
    return {"booked_until": check.booked_until, "settled": settled}


async def _page(check: Check, after: datetime, cursor: datetime) -> EvidencePage:
    """The page of evidence that goes on from the cursor: up to now, if it is not too much."""
    reader, page, until = check.ctx.evidence, check.page, check.now
    if page is not None:
        if cursor < page.until:
            return page
        until = min(until, cursor + 2 * (page.until - page.after))
    if check.mixed is None:
        window = Window(after=after, until=check.now, user_id=check.user_id)
        check.mixed = await reader.find_mixed_collections(window)
    window = Window(after=after, until=until, user_id=check.user_id, mixed=check.mixed)
    counts = await reader.counts(window, _MAX_DOCUMENTS)
    while sum(counts.values()) >= _MAX_DOCUMENTS and window.until - cursor > _MIN_WINDOW:
        window = replace(window, until=cursor + (window.until - cursor) / 2)
        counts = await reader.counts(window, _MAX_DOCUMENTS)
    window = replace(window, filled=tuple(counts))
    found = EvidenceWindow(
        games=await reader.games(window),
        analyses=await reader.analyses(window),
        puzzles=await reader.puzzles(window),
        reflections=await reader.reflections(window),
        claims=await reader.claims(window),
    )
    return EvidencePage(after=after, until=window.until, found=found)


async def report_undated(check: Check) -> None:
    """Counts and logs evidence whose instant can never be read."""
    for name, ids in (await check.ctx.evidence.find_undated(_MAX_UNDATED)).items():
        check.run.counts.note(f"unreadable_{name}", len(ids))
        samples = [str(key)[:80] for key in ids[:3]]
        log.get_logger().warning("momentum_undated", collection=name, count=len(ids), ids=samples)


def _first_open_day(check: Check) -> date:
    """The first day of the oldest week that is open in any zone: its sessions may change yet."""
    hour = check.ctx.settings.close_hour
    closed = periods.last_closed("week", check.booked_until, _WESTERNMOST, hour)
    return closed.after.first


def _first_day_beginning(window: Window) -> date:
    """The first date that begins in a window in any zone: other sessions were read before."""
    return (window.after - _WESTERNMOST_OFFSET).date() + timedelta(days=1)


async def _book_window(
    check: Check, found: EvidenceWindow, window: Window, first_day: date
) -> None:
    sessions = await _new_sessions(check, first_day, (window.until + _EASTERNMOST_OFFSET).date())
    users = {fact.user_id for fact in found.timed} | {user_id for _, user_id, _ in sessions}
    if not users:
        return
    players = await _players(check, users)
    found = replace(found, sessions=_dated_sessions(check, sessions, players, window))
    earned = awards_of(found, check.ctx.settings, _day_of(check, players))
    earned = await _without_paid(check, earned)
    streaks = await StreakBooking.prepare(check, players, found, window.after)
    await check.add([*earned, *streaks.awards], players, window.until)
    await streaks.save()
    await apply_batches(check)


async def _new_sessions(check: Check, first: date, last: date) -> list[Session]:
    """The completed sessions of some days that are not booked with all that follows from them.

    The sessions of an open week are read in each run, since one may be completed late.
    """
    new: list[Session] = []

    async def select(page: list[Session]) -> None:
        keys = {
            session: ledger_key("session_completed", session[1], session[0]) for session in page
        }
        booked = await check.ctx.ledger.existing(keys.values())
        settled = check.state.settled
        new.extend(s for s, key in keys.items() if not 0 < booked.get(key, 0) <= settled)

    size = check.ctx.settings.batch
    await check.run.for_each(check.ctx.sessions.completed(first, last, check.user_id, size), select)
    return new


def _day_of(check: Check, players: Mapping[str, Player]) -> LocalDay:
    zones_of = {user_id: check.zone_of(player) for user_id, player in players.items()}

    def day_of(user_id: str, at: datetime) -> date | None:
        zone = zones_of.get(user_id)
        return periods.local_date(at, zone) if zone is not None else None

    return day_of


async def _players(check: Check, users: set[str]) -> dict[str, Player]:
    """The players of some users; a user without progress gets it, unless the user is deleted."""
    size = check.ctx.settings.batch
    players: dict[str, Player] = {}
    wanted = sorted(users)
    for start in range(0, len(wanted), size):
        part = wanted[start : start + size]
        of_part = await check.players_of(part)
        missing = sorted(set(part) - set(of_part))
        if missing:
            new = sorted(await check.ctx.players.existing(missing))
            check.note("new_players", len(new))
            if check.run.dry_run:
                for user_id in new:
                    check.dry.change(None, to_player({"_id": user_id, "user_id": user_id}))
            else:
                await check.ctx.progress.create(new, check.state.since, check.now)
            await zones.refresh_zones(check, new)
            of_part |= await check.players_of(new)
        players |= of_part
    return players


def _dated_sessions(
    check: Check,
    sessions: Sequence[Session],
    players: Mapping[str, Player],
    window: Window,
) -> list[CompletedSession]:
    """The sessions of days that have begun, and not before our first instant."""
    dated = []
    for ref, user_id, day in sessions:
        if user_id not in players:
            continue
        zone = check.zone_of(players[user_id])
        at = datetime.combine(day, datetime.min.time(), zone)
        today = periods.local_date(window.until, zone)
        if periods.local_date(check.state.since, zone) <= day <= today:
            dated.append(CompletedSession(ref=ref, user_id=user_id, at=at, day=day))
    return dated


async def _without_paid(check: Check, earned: Sequence[Award]) -> list[Award]:
    """The awards without those of games for whose analysis the application has paid."""
    games = {award.ref for award in earned if award.action in OF_ANALYSES}
    paid = await check.ctx.evidence.paid_games(games) if games else set()
    return [
        award
        for award in earned
        if award.action not in OF_ANALYSES or (award.user_id, award.ref) not in paid
    ]
