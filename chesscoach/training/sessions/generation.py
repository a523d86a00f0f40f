"""Makes the sessions of routines ahead, and keeps those that are still scheduled up to date.

For each page of routines: read their sessions, add, move and delete what differs from the rules,
then look whether a routine has changed meanwhile. If so, do that routine once more. So whichever of
two processes writes last also sees the last revision, and a next run finds what a killed one left.
A session that is completed, missed or cancelled, or that has started, is never touched.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from chesscoach.training.context import TrainingContext
from chesscoach.training.sessions.routine import Routine
from chesscoach.training.sessions.session import Session, StoredSession
from chesscoach.training.zones import Zones


class Changes(Struct, kw_only=True):
    """The sessions to add and to move, and the ids of those to delete."""

    add: list[Session] = []
    move: list[Session] = []
    drop: list[str] = []


class Generated(Struct, kw_only=True):
    """How many sessions were added, moved and deleted, or would be."""

    added: int = 0
    moved: int = 0
    deleted: int = 0


async def generate(
    ctx: TrainingContext,
    routines: Sequence[Routine],
    zones: Zones,
    now: datetime,
    *,
    dry_run: bool = False,
) -> Generated:
    """Brings the sessions of some routines up to date, until no routine changes meanwhile."""
    generated = Generated()
    while routines:
        await _write(ctx, routines, now, generated, dry_run=dry_run)
        if dry_run:
            return generated
        current = await ctx.routines.revisions([routine.id for routine in routines])
        changed = [routine for routine in routines if current.get(routine.id) != routine.revision]
        gone = [routine.id for routine in changed if routine.id not in current]
        if gone:
            generated.deleted += await ctx.sessions.delete_coming(gone, now)
        again = [await ctx.routines.find(r.id, zones) for r in changed if r.id in current]
        routines = [routine for routine in again if isinstance(routine, Routine)]
    return generated


async def _write(
    ctx: TrainingContext,
    routines: Sequence[Routine],
    now: datetime,
    generated: Generated,
    *,
    dry_run: bool,
) -> None:
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    stored = await ctx.sessions.of_routines([routine.id for routine in routines], yesterday)
    by_routine: dict[str, list[StoredSession]] = {}
    for session in stored:
        by_routine.setdefault(session.routine_id, []).append(session)
    changes = await asyncio.to_thread(
        lambda: [
            changes_of(routine, by_routine.get(routine.id, ()), now, ctx.settings.lookahead_days)
            for routine in routines
        ]
    )
    add = [session for change in changes for session in change.add]
    move = [session for change in changes for session in change.move]
    if dry_run:
        generated.added += len(add)
        generated.moved += len(move)
        generated.deleted += sum(len(change.drop) for change in changes)
        return
    generated.added += await ctx.sessions.add(add, now)
    generated.moved += await ctx.sessions.move(move)
    for routine, change in zip(routines, changes, strict=True):
        generated.deleted += await ctx.sessions.delete_scheduled(change.drop, routine.revision)


def changes_of(
    routine: Routine, stored: Iterable[StoredSession], now: datetime, lookahead_days: int
) -> Changes:
    """What differs between the stored sessions of a routine and its rule.

    Sessions are made from the routine's local today on, `lookahead_days` of them. The only session
    of a rule that has one is made at once, however far ahead. A run as of an instant before the
    routine was added finds sessions that were made since: those after its own window are deleted,
    since as of then they do not exist.
    """
    recurs = routine.recurrence
    first = now.astimezone(recurs.zone).date()
    last = first + timedelta(days=lookahead_days - 1)
    if recurs.is_single:
        first = last = recurs.dtstart.date()
    by_day = {session.local_date: session for session in stored}
    coming = {
        day: session
        for day, session in by_day.items()
        if session.status == "scheduled" and session.starts_at > now
    }
    wanted = _sessions(routine, min([first, *coming]), max([last, *coming]))
    return Changes(
        add=[
            session for day, session in wanted.items() if first <= day <= last and day not in by_day
        ],
        move=[
            wanted[day]
            for day, session in coming.items()
            if day in wanted and _differs(session, wanted[day])
        ],
        drop=[
            session.id
            for day, session in coming.items()
            if day not in wanted or (day > last and _is_too_early(session, routine, now))
        ],
    )


def _sessions(routine: Routine, first: date, last: date) -> dict[date, Session]:
    return {
        day: Session(routine=routine, day=day, starts_at=at)
        for day, at in routine.recurrence.starts(first, last).items()
    }


def _is_too_early(session: StoredSession, routine: Routine, now: datetime) -> bool:
    return now < routine.created_at and session.exists_since(routine.created_at)


def _differs(stored: StoredSession, session: Session) -> bool:
    """Whether a session is still as another revision of its routine had it, or in another zone."""
    routine = session.routine
    return (stored.starts_at, stored.revision, stored.timezone) != (
        session.starts_at,
        routine.revision,
        routine.recurrence.zone.key,
    )
