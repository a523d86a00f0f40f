"""A machine of one's own: systemd's timers and services, or a crontab.

A run there works the latest slot at or before its start, so it may be woken too often.
"""

from datetime import datetime, timedelta
from itertools import islice, pairwise

from msgspec import Struct

from chesscoach.config import Config
from chesscoach.deploy import fire_times, rendering, syntax
from chesscoach.deploy.rendering import RenderedFiles, SkippedSchedule
from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule


class InstallPaths(Struct, frozen=True, kw_only=True):
    """Where things are on the machine: a virtual environment, settings and secrets, and for whom.

    `timezone` is that of its clock, `state` the directory that a crontab's runs work in.
    """

    prefix: str = "/opt/chesscoach"
    etc: str = "/etc/chesscoach"
    state: str = "/var/lib/chesscoach"
    user: str = "chesscoach"
    timezone: str = "UTC"


def units(config: Config, places: InstallPaths, now: datetime) -> RenderedFiles:
    """The daemon's service, a template service for one run, and a timer per schedule."""
    made = rendering.templates()
    common = {
        "mark": rendering.generated_header("systemd"),
        "prefix": places.prefix,
        "etc": places.etc,
        "user": places.user,
        "leave_s": rendering.stop_timeout_s(config),
    }
    names = ("chesscoach.service", "chesscoach@.service")
    files = {name: made.get_template(f"{name}.j2").render(common) for name in names}
    left = []
    for key, schedule in config.schedules.items():
        found = fire_times.fire_times(schedule)
        if reason := _unsupported_reason(schedule, found):
            left.append(SkippedSchedule(id=key, reason=reason))
            continue
        entry = {
            **common,
            "id": key,
            "job": schedule.job,
            "limits": rendering.time_limits(config, schedule),
        }
        files[f"chesscoach@{key}.service.d/job.conf"] = made.get_template("job.conf.j2").render(
            entry
        )
        files[f"chesscoach@{key}.timer"] = made.get_template("timer.j2").render(
            entry,
            events=[each for wake in found.times for each in _events(wake, found)],
            widened=not found.exact and schedule.at is None,
            delay_s=_delay_s(key, schedule, now),
        )
    return RenderedFiles(target="systemd", files=files, skipped=tuple(left))


def _events(wake: fire_times.FireTime, found: fire_times.FireTimes) -> list[str]:
    return syntax.to_on_calendar(wake, found.timezone)


def _delay_s(key: str, schedule: Schedule, now: datetime) -> int:
    """Seconds that a start may be put off: a minute at most, and no tenth of a period."""
    near = list(islice(slots.slots_after(key, schedule, now), 20))
    periods = [(b.at - a.at) / timedelta(seconds=1) for a, b in pairwise(near)]
    return round(min([60.0, *(period / 10 for period in periods)]))


class CrontabEntry(Struct, frozen=True, kw_only=True):
    """A schedule's lines in a crontab."""

    id: str
    job: str
    trigger: str
    crons: list[str]
    limits: rendering.TimeLimits
    widened: bool


def crontab(config: Config, places: InstallPaths, now: datetime) -> RenderedFiles:
    """A user's crontab, by the machine's own clock: Debian's cron knows no other."""
    entries, left = [], []
    for key, schedule in config.schedules.items():
        found = fire_times.fire_times(schedule)
        reason = _unsupported_reason(schedule, found)
        if not reason and any(wake.seconds != {0} for wake in found.times):
            reason = "a crontab knows no seconds"
        if reason:
            left.append(SkippedSchedule(id=key, reason=reason))
            continue
        times = fire_times.convert_timezone(found, places.timezone, now)
        both = any(wake.days.restricts_both and not wake.days.either for wake in times)
        entry = CrontabEntry(
            id=key,
            job=schedule.job,
            trigger=schedule.trigger,
            crons=sorted(syntax.to_cron(wake) for wake in times),
            limits=rendering.time_limits(config, schedule),
            widened=not found.exact or times != found.times or both,
        )
        entries.append(entry)
    text = (
        rendering.templates()
        .get_template("crontab.j2")
        .render(
            mark=rendering.generated_header("crontab"),
            entries=entries,
            left=left,
            prefix=places.prefix,
            etc=places.etc,
            state=places.state,
            user=places.user,
            timezone=places.timezone,
        )
    )
    return RenderedFiles(target="crontab", files={"crontab": text}, skipped=tuple(left))


def _unsupported_reason(schedule: Schedule, found: fire_times.FireTimes) -> str:
    """Why it has no place on a machine, if it has none."""
    return "it is disabled" if not schedule.enabled else found.reason
