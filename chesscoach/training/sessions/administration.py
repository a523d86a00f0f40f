"""What an operator does with routines and sessions; each change makes the sessions at once."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from chesscoach.errors import ConfigError, NotFound, RevisionConflict
from chesscoach.training.context import TrainingContext
from chesscoach.training.sessions import completion, generation
from chesscoach.training.sessions.generation import Generated
from chesscoach.training.sessions.options import (
    RoutineOptions,
    Unset,
    edited_routine,
    new_routine,
)
from chesscoach.training.sessions.routine import Routine, ZoneSource
from chesscoach.training.sessions.session import StoredSession
from chesscoach.training.zones import Zones

_ID_LENGTH = 12


async def load_zones(ctx: TrainingContext) -> Zones:
    """The time zones that there are, and the default of the settings."""
    return await Zones.load(ctx.settings.timezone)


async def add_routine(
    ctx: TrainingContext, user_id: str, options: RoutineOptions, timezone: str | None
) -> tuple[Routine, Generated]:
    """Adds a routine of a user, in a zone of its own or in the user's.

    Raises:
        ConfigError: the user does not exist, or an option cannot be used.
    """
    zones, now = await load_zones(ctx), ctx.now()
    if not await ctx.players.exists(user_id):
        msg = f"user {user_id[:120]!r} does not exist: see `chesscoach accounts list`"
        raise NotFound(msg)
    zone, source = await _zone(ctx, zones, user_id, timezone)
    routine_id = f"routine_{uuid4().hex[:_ID_LENGTH]}"
    routine = await asyncio.to_thread(new_routine, routine_id, user_id, options, zone, source, now)
    await ctx.routines.add(routine)
    return routine, await generation.generate(ctx, [routine], zones, now)


async def edit_routine(
    ctx: TrainingContext,
    routine_id: str,
    options: RoutineOptions,
    unset: Sequence[Unset],
    timezone: str | None,
    seen: int | None = None,
) -> tuple[Routine, Generated]:
    """Changes a routine; also if another process changes it at the same time.

    With `seen`, only that revision is changed.

    Raises:
        ConfigError: the routine does not exist, or an option cannot be used.
        RevisionConflict: it has another revision than `seen`.
    """
    zones, now = await load_zones(ctx), ctx.now()
    while True:
        routine = await find_routine(ctx, routine_id, zones)
        if seen not in (None, routine.revision):
            raise _changed(routine_id)
        zone, source = routine.recurrence.zone, routine.zone_source
        if timezone is not None or "timezone" in unset:
            zone, source = await _zone(ctx, zones, routine.user_id, timezone)
        changed = await asyncio.to_thread(
            edited_routine, routine, options, unset, zone, source, now
        )
        if changed is routine or await ctx.routines.replace(changed):
            return changed, await generation.generate(ctx, [changed], zones, now)


async def remove_routine(ctx: TrainingContext, routine_id: str, seen: int | None = None) -> int:
    """Deletes a routine and its coming sessions, and returns how many; past ones stay.

    With `seen`, only that revision is deleted.

    Raises:
        ConfigError: the routine does not exist.
        RevisionConflict: it has another revision than `seen`.
    """
    if not await ctx.routines.remove(routine_id, seen):
        if await ctx.routines.revisions([routine_id]):
            raise _changed(routine_id)
        raise _not_found(routine_id)
    return await ctx.sessions.delete_coming([routine_id], ctx.now())


async def find_routine(ctx: TrainingContext, routine_id: str, zones: Zones) -> Routine:
    """A routine by its id.

    Raises:
        ConfigError: it does not exist, or its document is invalid.
    """
    found = await ctx.routines.find(routine_id, zones)
    if found is None:
        raise _not_found(routine_id)
    if not isinstance(found, Routine):
        msg = f"routine {routine_id[:80]!r} is invalid ({found.reason}): remove it and add it again"
        raise ConfigError(msg)
    return found


async def routine_calendar(ctx: TrainingContext, routine_id: str) -> bytes:
    """The calendar feed of a routine's coming sessions.

    Raises:
        ConfigError: the routine does not exist, or its document is invalid.
    """
    routine = await find_routine(ctx, routine_id, await load_zones(ctx))
    now = ctx.now()
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    sessions = await ctx.sessions.of_routines([routine_id], yesterday)
    return await asyncio.to_thread(_calendar, routine, sessions, now)


def _calendar(routine: Routine, sessions: Sequence[StoredSession], now: datetime) -> bytes:
    from chesscoach.training.sessions.feed import calendar_of  # its library takes long to import

    return calendar_of(routine, sessions, now)


async def complete_session(
    ctx: TrainingContext, session_id: str, minutes: int | None
) -> StoredSession:
    """Completes a session, which took some minutes (default: those that were planned).

    Raises:
        ConfigError: it does not exist, is cancelled, or was missed in a week that has closed.
    """
    zones, now = await load_zones(ctx), ctx.now()
    while True:
        session = await find_session(ctx, session_id)
        if session.status == "completed":
            return session
        if session.status == "cancelled":
            msg = f"session {session_id!r} is cancelled: it cannot be completed"
            raise ConfigError(msg)
        if session.status == "missed":
            _check_week_is_open(ctx, session, zones, now)
        spent = session.duration_min if minutes is None else minutes
        if await ctx.sessions.set_status(session, "completed", now, spent):
            return replace(session, status="completed", completed_at=now, actual_min=spent)


async def cancel_session(ctx: TrainingContext, session_id: str) -> StoredSession:
    """Cancels a session that is scheduled; it is not made again.

    Raises:
        ConfigError: it does not exist, or is completed or missed.
    """
    while True:
        session = await find_session(ctx, session_id)
        if session.status == "cancelled":
            return session
        if session.status != "scheduled":
            msg = f"session {session_id!r} is {session.status}: only a scheduled one is cancelled"
            raise ConfigError(msg)
        if await ctx.sessions.set_status(session, "cancelled", None, None):
            return replace(session, status="cancelled")


def _check_week_is_open(
    ctx: TrainingContext, session: StoredSession, zones: Zones, now: datetime
) -> None:
    zone = zones.known(session.timezone) or zones.default
    closes_at = completion.week_closes_at(session.local_date, zone, ctx.close_hour)
    if now >= closes_at:
        msg = f"session {session.id!r} was missed, and its week closed at {closes_at.isoformat()}"
        raise ConfigError(msg)


async def find_session(ctx: TrainingContext, session_id: str) -> StoredSession:
    """A session by its id.

    Raises:
        NotFound: it does not exist.
    """
    session = await ctx.sessions.find(session_id)
    if session is None:
        msg = f"session {session_id[:120]!r} does not exist: see `chesscoach sessions list`"
        raise NotFound(msg)
    return session


async def _zone(
    ctx: TrainingContext, zones: Zones, user_id: str, timezone: str | None
) -> tuple[ZoneInfo, ZoneSource]:
    if timezone is None:
        return zones.of_user(user_id, (await ctx.players.timezones([user_id])).get(user_id))
    zone = zones.known(timezone)
    if zone is None:
        msg = f"--timezone: {timezone[:80]!r} is not an IANA name, such as Europe/Berlin"
        raise ConfigError(msg)
    return zone, "routine"


def _changed(routine_id: str) -> RevisionConflict:
    return RevisionConflict(f"{routine_id} has changed meanwhile: look at it again")


def _not_found(routine_id: str) -> NotFound:
    return NotFound(f"routine {routine_id[:120]!r} does not exist: see `chesscoach routines list`")
