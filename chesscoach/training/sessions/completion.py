"""What becomes of a session: completed by evidence, missed, or still open.

Evidence of a session is what its player did on its local date. It counts if it was known before the
session's week closed, so a run that comes late ends as an hourly one. A session without enough
evidence is missed at the closing hour of the next day, and may be completed until its week closes.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from chesscoach.training.sessions.routine import Kind
from chesscoach.training.sessions.session import StoredSession, Verdict


class Evidence(Struct, frozen=True, kw_only=True):
    """One item that a player has done: when it was done, and when it was known.

    `ref` names it, so that a game that was analysed twice counts once.
    """

    user_id: str
    kind: Kind
    ref: str
    at: datetime
    known_at: datetime


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day."""
    return datetime.combine(day, time(), zone)


def missed_at(day: date, zone: ZoneInfo, close_hour: int) -> datetime:
    """The instant from which a session of a day is missed."""
    return datetime.combine(day + timedelta(days=1), time(close_hour), zone)


def week_closes_at(day: date, zone: ZoneInfo, close_hour: int) -> datetime:
    """The instant at which the ISO week of a day closes."""
    return missed_at(day + timedelta(days=6 - day.weekday()), zone, close_hour)


def judge(
    session: StoredSession,
    zone: ZoneInfo,
    evidence: Iterable[Evidence],
    now: datetime,
    close_hour: int,
) -> Verdict | None:
    """What becomes of an open session by the evidence of its player; None if nothing changes."""
    closes_at = week_closes_at(session.local_date, zone, close_hour)
    done = _instants_done(session, zone, evidence, min(now, closes_at))
    if session.kind != "manual" and len(done) >= session.count:
        at = done[session.count - 1]
        return Verdict(
            session_id=session.id, before=session.status, status="completed", completed_at=at
        )
    settled = now >= closes_at
    if now < missed_at(session.local_date, zone, close_hour) or not (
        settled or session.status == "scheduled"
    ):
        return None
    return Verdict(session_id=session.id, before=session.status, status="missed", settled=settled)


def _instants_done(
    session: StoredSession, zone: ZoneInfo, evidence: Iterable[Evidence], known_until: datetime
) -> list[datetime]:
    first: dict[str, datetime] = {}
    for item in evidence:
        on_the_day = item.at.astimezone(zone).date() == session.local_date
        if on_the_day and item.known_at < known_until and item.kind == session.kind:
            first[item.ref] = min(item.at, first.get(item.ref, item.at))
    return sorted(first.values())
