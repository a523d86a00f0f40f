"""A user's crontab.

Debian's cron has no time zones: it follows the server's clock. A line of a run takes the latest
slot at or before its start, so a line that comes too often does no harm.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from chesscoach.config import Config
from chesscoach.deploy import plain_cron, rendering
from chesscoach.deploy.rendering import InstallPaths, RenderedFiles, SkippedSchedule
from chesscoach.schedules.schedule import Schedule


class CrontabEntry(Struct, frozen=True, kw_only=True):
    """A schedule's line in a crontab; an `hourly` one comes more often than the schedule."""

    id: str
    schedule: Schedule
    cron: str
    limits: rendering.TimeLimits
    hourly: bool


def render(config: Config, paths: InstallPaths, timezone: str, now: datetime) -> RenderedFiles:
    """Returns the crontab of a server whose clock is in `timezone`."""
    entries, skipped = [], []
    for key, schedule in config.schedules.items():
        reason = plain_cron.unsupported_reason(schedule)
        if reason or schedule.cron is None:
            skipped.append(SkippedSchedule(id=key, reason=reason))
            continue
        shifts = _clock_shifts(schedule.timezone, timezone, now)
        fields = plain_cron.parse(schedule.cron)
        entries.append(
            CrontabEntry(
                id=key,
                schedule=schedule,
                cron=fields.five_fields if shifts == {0} else _hourly_line(fields, shifts),
                limits=rendering.time_limits(config, schedule),
                hourly=shifts != {0},
            )
        )
    text = (
        rendering.templates()
        .get_template("crontab.j2")
        .render(
            header=rendering.generated_header("crontab"),
            entries=entries,
            skipped=skipped,
            paths=paths,
            timezone=timezone,
        )
    )
    return RenderedFiles(target="crontab", files={"crontab": text}, skipped=tuple(skipped))


def _hourly_line(fields: plain_cron.PlainCron, shifts: set[int]) -> str:
    """Returns a line for every hour, at the minutes of the schedule by the server's clock.

    Where two clocks differ, the hour and the day may differ by the season; the minutes do not.
    """
    minutes = {(minute + shift) % 60 for minute in fields.minutes for shift in shifts}
    return plain_cron.parse(f"{','.join(map(str, minutes))} * * * *").five_fields


def _clock_shifts(timezone: str, server_timezone: str, now: datetime) -> set[int]:
    """Returns the minutes by which a server's clock is ahead, hour by hour for a year."""
    if timezone == server_timezone:
        return {0}
    zones = ZoneInfo(server_timezone), ZoneInfo(timezone)
    shifts = set()
    for hour in range(366 * 24):
        at = now + timedelta(hours=hour)
        server, ours = (at.astimezone(zone).utcoffset() or timedelta(0) for zone in zones)
        shifts.add((server - ours) // timedelta(minutes=1))
    return shifts
