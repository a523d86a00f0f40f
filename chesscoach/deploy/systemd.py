"""Systemd units: the daemon's service, a service for one run, and a timer per schedule.

A timer's run takes the latest slot at or before its start.
"""

from datetime import datetime, timedelta
from itertools import islice, pairwise

from chesscoach.config import Config
from chesscoach.deploy import plain_cron, rendering
from chesscoach.deploy.rendering import InstallPaths, RenderedFiles, SkippedSchedule
from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule


def render(config: Config, paths: InstallPaths, now: datetime) -> RenderedFiles:
    """Returns the units for the plain cron schedules; the daemon's service runs all of them."""
    templates = rendering.templates()
    common = {
        "header": rendering.generated_header("systemd"),
        "paths": paths,
        "stop_timeout_s": rendering.stop_timeout_s(config),
    }
    names = ("chesscoach.service", "chesscoach@.service")
    files = {name: templates.get_template(f"{name}.j2").render(common) for name in names}
    skipped = []
    for key, schedule in config.schedules.items():
        reason = plain_cron.unsupported_reason(schedule)
        if reason or schedule.cron is None:
            skipped.append(SkippedSchedule(id=key, reason=reason))
            continue
        entry = {
            **common,
            "id": key,
            "job": schedule.job,
            "limits": rendering.time_limits(config, schedule),
            "event": plain_cron.parse(schedule.cron).calendar_event(schedule.timezone),
            "delay_s": _start_delay_s(key, schedule, now),
        }
        for name, template in (
            (f"chesscoach@{key}.service.d/job.conf", "job.conf.j2"),
            (f"chesscoach@{key}.timer", "timer.j2"),
        ):
            files[name] = templates.get_template(template).render(entry)
    return RenderedFiles(target="systemd", files=files, skipped=tuple(skipped))


def _start_delay_s(key: str, schedule: Schedule, now: datetime) -> int:
    """Returns the maximum delay of a start: at most a minute and a tenth of a period."""
    near = list(islice(slots.slots_after(key, schedule, now), 20))
    periods = [(later.at - slot.at) / timedelta(seconds=1) for slot, later in pairwise(near)]
    return round(min([60.0, *(period / 10 for period in periods)]))
