"""Routines, sessions, snapshots and recommendations of players."""

from datetime import date, datetime

from msgspec import Struct, field

from chesscoach.errors import NotFound
from chesscoach.training.sessions import administration, friendly_options
from chesscoach.training.sessions.feed_links import FeedLinks
from chesscoach.training.sessions.friendly_options import Frequency
from chesscoach.training.sessions.routine import Kind, Routine, ZoneSource
from chesscoach.training.sessions.rule_text import WEEKDAYS
from chesscoach.training.sessions.session import Status, StoredSession
from chesscoach.training.snapshots.snapshot import Snapshot
from chesscoach.training.store.recommendations import StoredRecommendation
from chesscoach.web.operations.admin import Admin


class RoutineView(Struct, frozen=True, kw_only=True):
    """A routine: its rule (RFC 5545), and the friendly options that mean the same, if any do.

    `on` are weekdays such as `mo`; `at` is the local time. `feed_url` is the calendar's address.
    """

    id: str
    user_id: str
    title: str
    kind: Kind
    count: int
    minutes: int
    rrule: str
    skip: list[date]
    timezone: str
    timezone_source: ZoneSource
    recurrence: Frequency | None
    on: list[str] | None
    day_of_month: int | None
    from_date: date = field(name="from")
    until: date | None
    at: str
    revision: int
    created_at: datetime
    updated_at: datetime
    feed_url: str | None


class RoutinePage(Struct, frozen=True, kw_only=True):
    """Routines in order of their ids; `next` is the cursor of the page after it."""

    routines: list[RoutineView]
    next: str | None


class SessionView(Struct, frozen=True, kw_only=True):
    """One day's occurrence of a routine, and what became of it."""

    id: str
    routine_id: str
    user_id: str
    local_date: date
    starts_at: datetime
    timezone: str | None
    title: str
    kind: Kind
    count: int
    duration_min: int
    status: Status
    completed_at: datetime | None
    actual_min: float | None
    revision: int


class SnapshotList(Struct, frozen=True, kw_only=True):
    """A player's last daily snapshots, in order of their days."""

    user_id: str
    snapshots: list[Snapshot]


class RecommendationList(Struct, frozen=True, kw_only=True):
    """What is recommended to a player, the newest week and the most important first."""

    user_id: str
    recommendations: list[StoredRecommendation]


async def list_routines(
    admin: Admin, user_id: str | None = None, limit: int = 50, cursor: str | None = None
) -> RoutinePage:
    """A page of routines."""
    training = admin.ctx.training
    zones = await administration.load_zones(training)
    routines, following = await training.routines.page(zones, user_id, cursor or "", limit)
    return RoutinePage(routines=[routine_view(admin, r) for r in routines], next=following)


async def show_routine(admin: Admin, routine_id: str) -> RoutineView:
    """One routine.

    Raises:
        NotFound: it does not exist.
        ConfigError: its document is invalid.
    """
    zones = await administration.load_zones(admin.ctx.training)
    routine = await administration.find_routine(admin.ctx.training, routine_id, zones)
    return routine_view(admin, routine)


def routine_view(admin: Admin, routine: Routine) -> RoutineView:
    """A routine as operators see it."""
    recurs, emails = routine.recurrence, admin.ctx.config.emails
    options = friendly_options.from_rule(recurs.parts)
    has_links = emails.signing_keys and emails.public_url
    links = FeedLinks(emails.public_url, emails.signing_keys, admin.ctx.now) if has_links else None
    return RoutineView(
        id=routine.id,
        user_id=routine.user_id,
        title=routine.title,
        kind=routine.kind,
        count=routine.count,
        minutes=routine.minutes,
        rrule=recurs.rrule,
        skip=list(recurs.exdates),
        timezone=recurs.zone.key,
        timezone_source=routine.zone_source,
        recurrence=options.frequency if options else None,
        on=[WEEKDAYS[n].lower() for n in options.weekdays] if options else None,
        day_of_month=options.day_of_month if options else None,
        from_date=routine.first_day,
        until=recurs.until.date() if recurs.until else None,
        at=f"{recurs.dtstart:%H:%M}",
        revision=routine.revision,
        created_at=routine.created_at,
        updated_at=routine.updated_at,
        feed_url=links.url(routine.id) if links else None,
    )


async def list_sessions(
    admin: Admin,
    *,
    user_id: str | None = None,
    routine_id: str | None = None,
    status: Status | None = None,
    limit: int = 50,
) -> list[SessionView]:
    """The sessions of a user or a routine, by which alone there are indexes, nearest to today."""
    given = {"user_id": user_id, "routine_id": routine_id, "status": status}
    query = {name: value for name, value in given.items() if value is not None}
    training = admin.ctx.training
    return [session_view(s) for s in await training.sessions.nearest(query, training.now(), limit)]


async def show_session(admin: Admin, session_id: str) -> SessionView:
    """One session.

    Raises:
        NotFound: it does not exist.
    """
    return session_view(await administration.find_session(admin.ctx.training, session_id))


def session_view(session: StoredSession) -> SessionView:
    """A session as operators see it."""
    return SessionView(
        id=session.id,
        routine_id=session.routine_id,
        user_id=session.user_id,
        local_date=session.local_date,
        starts_at=session.starts_at,
        timezone=str(session.timezone)[:100] if session.timezone is not None else None,
        title=session.title,
        kind=session.kind,
        count=session.count,
        duration_min=session.duration_min,
        status=session.status,
        completed_at=session.completed_at,
        actual_min=session.actual_min,
        revision=session.revision,
    )


async def list_snapshots(admin: Admin, user_id: str, days: int = 30) -> SnapshotList:
    """A player's last snapshots.

    Raises:
        NotFound: there is no such player.
    """
    snapshots = await admin.ctx.training.snapshots.last(user_id, days)
    if not snapshots:
        await _require_player(admin, user_id)
    return SnapshotList(user_id=user_id, snapshots=snapshots)


async def list_recommendations(
    admin: Admin, user_id: str, *, active_only: bool = True
) -> RecommendationList:
    """What is recommended to a player.

    Raises:
        NotFound: there is no such player.
    """
    store = admin.ctx.training.recommendations
    found = await store.of_user(user_id, active_only=active_only)
    if not found:
        await _require_player(admin, user_id)
    return RecommendationList(user_id=user_id, recommendations=found)


async def _require_player(admin: Admin, user_id: str) -> None:
    if not await admin.ctx.users.exists(user_id):
        msg = f"player {user_id[:120]!r} does not exist"
        raise NotFound(msg)
