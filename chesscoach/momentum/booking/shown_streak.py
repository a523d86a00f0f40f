"""What the application's pages show of a player's streaks: the fields, and when they change."""

from datetime import UTC, date, datetime, time
from typing import Any

from chesscoach.momentum import periods
from chesscoach.momentum.check import Check
from chesscoach.momentum.player import Player
from chesscoach.momentum.streaks import ApplicationStreak, Streak, shown_length
from chesscoach.mongo import timestamps


def application_streak(check: Check, player: Player) -> tuple[ApplicationStreak, datetime | None]:
    """The application's own streak, and the instant on which it last grew.

    What differs from what we last saw was written by the application. The first time, all was.
    """
    shown, seen = player.shown, player.seen
    ours = seen is not None and (shown.current, shown.last_activity) == (
        seen.current,
        seen.last_activity,
    )
    if ours:
        current, at, day = player.application
    else:
        current, at = _length(shown.current), timestamps.parse_instant(shown.last_activity)
        day = player.last_local if seen is None else None
        if at is not None and at.time() == time.min:  # a day: no activity has so round an instant
            day, at = at.date(), None
    if at is None:
        return ApplicationStreak(current=current if day else 0, last_local=day), None
    local = periods.local_date(at, check.zone_of(player))
    return ApplicationStreak(current=current, last_local=local, last_utc=at.date()), at


def initial_streak(player: Player, application: ApplicationStreak) -> Streak:
    """The streak with which ours begins: the application's, as far as it is known."""
    last, current = application.last_local, application.current
    longest = max(_length(player.shown.longest), current)
    if last is None or not current:
        return Streak(longest=longest)
    return Streak(current=current, longest=longest, last=last, started=_started(last, current))


def shown_fields(
    check: Check,
    player: Player,
    streak: Streak,
    as_of: datetime,
    active_at: datetime | None = None,
) -> dict[str, Any]:
    """The fields of progress that show a streak as of an instant, perhaps after new activity."""
    application, at = application_streak(check, player)
    today = periods.local_date(as_of, check.zone_of(player))
    current = shown_length(streak, application, today, as_of.astimezone(UTC).date())
    last_active, known = player.shown.last_activity, last_activity(player)
    if active_at is not None and (known is None or active_at > known):
        last_active = active_at
    last_day = streak.last or player.last_local
    longest = max(_length(player.shown.longest), streak.longest, current, application.current)
    return {
        "current_streak": current,
        "longest_streak": longest,
        "last_activity_date": last_active,
        "last_activity_local": last_day.isoformat() if last_day is not None else None,
        "momentum_streak": {
            "ours": streak.current,
            "application": application.current,
            "application_at": at,
            "application_local": application.last_local.isoformat()
            if application.last_local is not None
            else None,
            "seen": {"current": current, "last_activity": last_active},
        },
    }


def last_activity(player: Player) -> datetime | None:
    """The last activity that pages know of."""
    return timestamps.parse_instant(player.shown.last_activity)


def _started(last: date, current: int) -> date:
    return date.fromordinal(max(last.toordinal() - current + 1, 1))


def _length(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
