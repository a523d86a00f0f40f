"""Boards, and one player's momentum: what is stored, and what the next check will do."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from chesscoach.config import MomentumSettings
from chesscoach.momentum import levels, periods
from chesscoach.momentum.levels import Band
from chesscoach.momentum.periods import KINDS, Kind, Period
from chesscoach.momentum.store.progress_documents import PREFIXES, to_day
from chesscoach.momentum.store.sessions import TrainingSessions
from chesscoach.momentum.store.state import StateStore
from chesscoach.momentum.store.views import BoardEntry, LedgerEntry, PlayerDocuments, Views
from chesscoach.mongo import values
from chesscoach.schedules.schedule import format_rfc3339

_EVENTS_SHOWN = 10


class ViewContext(Struct, frozen=True, kw_only=True):
    """The settings, the clock and the collections that views read."""

    settings: MomentumSettings
    now: Callable[[], datetime]
    views: Views
    state: StateStore
    sessions: TrainingSessions


class Board(Struct, frozen=True, kw_only=True):
    """The best players of a period, or of all time (`key` is None).

    `counts` says what the points are: `ledger`, or `xp` with what the application paid. `final`
    says that the period has closed and its ranks stay.
    """

    period: str
    key: str | None
    counts: str
    final: bool
    players: list[BoardEntry]

    @property
    def title(self) -> str:
        """What the board shows, in one sentence."""
        if self.key is None:
            return "All time: xp, with what the application paid itself."
        state = "final" if self.final else "still open"
        return f"{self.period} {self.key}, {state}: points of the ledger alone."


class PeriodView(Struct, frozen=True, kw_only=True):
    """A player's counter of a kind of period, and the sessions of the current one."""

    kind: str
    key: str | None
    points: int
    previous_key: str | None
    previous_points: int
    previous_rank: int | None
    previous_perfect: bool | None
    current_key: str
    planned: int
    done: int
    closes_at: datetime


class PlayerView(Struct, frozen=True, kw_only=True):
    """A player's momentum; `current_streak` is what pages show and `our_streak` what we count."""

    user_id: str
    name: str | None
    timezone: str
    timezone_source: str
    local_date: date
    xp: int
    momentum_xp: int
    level: int
    band: Band
    surplus_documents: int
    periods: list[PeriodView]
    current_streak: int
    longest_streak: int
    our_streak: int
    our_longest: int
    last_active: str | None
    achievements: int
    points_count_since: datetime | None
    events: list[LedgerEntry]
    next_check: list[str]


async def board(ctx: ViewContext, kind: Kind | None, key: str | None, top: int) -> Board:
    """The best players of a week or a month (None: the current one), or of all time."""
    if kind is None:
        players = await ctx.views.all_time_board(top)
        return Board(period="all time", key=None, counts="xp", final=False, players=players)
    if key is None:
        today = periods.local_date(ctx.now(), ZoneInfo(ctx.settings.timezone))
        key = periods.key_of(kind, today)
    players = await ctx.views.final_board(kind, key, top)
    final = bool(players)
    if not final:
        players = await ctx.views.open_board(kind, key, top)
    return Board(period=kind, key=key, counts="ledger", final=final, players=players)


async def player(ctx: ViewContext, user_id: str) -> PlayerView | None:
    """A player's momentum; None if the application has no such user."""
    stored = await ctx.views.player(user_id)
    if stored is None:
        return None
    name, source = _zone(stored, ctx.settings.timezone)
    zone = ZoneInfo(name)
    today = periods.local_date(ctx.now(), zone)
    progress, streak = stored.progress, stored.streak
    xp = _number(progress.get("xp"))
    views = [
        await _period_view(ctx, user_id, periods.period_of(kind, today), zone, stored)
        for kind in KINDS
    ]
    since = progress.get("ledger_from")
    return PlayerView(
        user_id=user_id,
        name=values.to_text((stored.user or {}).get("name")),
        timezone=name,
        timezone_source=source,
        local_date=today,
        xp=xp,
        momentum_xp=_number(progress.get("momentum_xp")),
        level=_number(progress.get("level")) or levels.level_for(xp),
        band=levels.band_for(xp),
        surplus_documents=stored.surplus,
        periods=views,
        current_streak=_number(progress.get("current_streak")),
        longest_streak=_number(progress.get("longest_streak")),
        our_streak=_number(streak.get("current")),
        our_longest=_number(streak.get("longest")),
        last_active=_day_text(streak.get("last_period")),
        achievements=stored.achievements,
        points_count_since=since if isinstance(since, datetime) else None,
        events=await ctx.views.last_events(user_id, _EVENTS_SHOWN),
        next_check=[
            *await _booking_lines(ctx),
            *(line for view in views for line in _period_lines(view)),
            *_streak_lines(stored, today, zone),
        ],
    )


async def _period_view(
    ctx: ViewContext, user_id: str, period: Period, zone: ZoneInfo, stored: PlayerDocuments
) -> PeriodView:
    prefix, progress = PREFIXES[period.kind], stored.progress
    previous_key = values.to_text(progress.get(f"{prefix}_prev_key"))
    result = await ctx.views.result(user_id, period.kind, previous_key) if previous_key else {}
    closes_at = period.closes_at(zone, ctx.settings.close_hour)
    sessions = await ctx.sessions.planned(period.first, period.last, closes_at, [user_id])
    planned, done = sessions.get(user_id, (0, 0))
    return PeriodView(
        kind=period.kind,
        key=values.to_text(progress.get(f"{prefix}_key")),
        points=_number(progress.get(f"{prefix}_xp")),
        previous_key=previous_key,
        previous_points=_number(progress.get(f"{prefix}_prev_xp")),
        previous_rank=result.get("rank"),
        previous_perfect=result.get("perfect"),
        current_key=period.key,
        planned=planned,
        done=done,
        closes_at=closes_at,
    )


async def _booking_lines(ctx: ViewContext) -> list[str]:
    state = await ctx.state.read()
    if state is None:
        return ["It is the first check: it records the instant, and books nothing older."]
    if not ctx.settings.booked:
        return ["It books nothing: [momentum] book is empty."]
    what = ", ".join(ctx.settings.booked)
    return [f"It books new evidence since {format_rfc3339(state.booked_until)}: {what}."]


def _period_lines(view: PeriodView) -> list[str]:
    lines = []
    if view.key is not None and view.key < view.current_key:
        moved = f"{view.points} points of {view.key}"
        lines.append(f"It begins the {view.kind} {view.current_key}: {moved} become the last ones.")
    if not view.planned:
        sessions = "no session is planned"
    else:
        sessions = f"{view.done} of {view.planned} sessions are completed"
    closes = format_rfc3339(view.closes_at)
    lines.append(f"The {view.kind} {view.current_key} closes at {closes}; {sessions}.")
    return lines


def _streak_lines(stored: PlayerDocuments, today: date, zone: ZoneInfo) -> list[str]:
    current = _number(stored.streak.get("current"))
    last = to_day(stored.streak.get("last_period"))
    if not current or last is None:
        return ["There is no streak of ours: the next active day begins one."]
    if last < today - timedelta(days=1):
        return [f"It ends the streak of {current} days: the last active day was {last}."]
    ends = datetime.combine(last + timedelta(days=2), time.min, zone).astimezone(UTC)
    return [f"The streak of {current} days ends at {format_rfc3339(ends)} without activity."]


def _zone(stored: PlayerDocuments, default: str) -> tuple[str, str]:
    """The zone that applies, and whether the user or the default decides it."""
    wanted = (stored.user or {}).get("timezone")
    if wanted is None or wanted == "":
        return default, "default"
    try:
        return ZoneInfo(wanted).key, "user"
    except (TypeError, KeyError, ValueError, OSError):
        return default, "invalid"


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def _day_text(value: object) -> str | None:
    day = to_day(value)
    return day.isoformat() if day else None
