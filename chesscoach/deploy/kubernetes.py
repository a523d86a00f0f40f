"""A CronJob per schedule.

A Job's slot is in its name, and one that names no slot fails: only what Kubernetes can say exactly
is written.
"""

import re
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zlib import crc32

from msgspec.structs import replace

from chesscoach.config import Config
from chesscoach.deploy import fire_times, rendering, syntax
from chesscoach.deploy.rendering import RenderedFiles, SkippedSchedule
from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule, Slot, format_rfc3339

_PREFIX = "chesscoach-"
_MAX_NAME_LENGTH = 52
"""Characters of a CronJob's name: eleven more make the name of a Job."""

_START_S = 600
_SOON_S = 10
"""Kubernetes looks every ten seconds, so a shorter deadline may pass unseen."""


def render(config: Config, now: datetime) -> RenderedFiles:
    """The CronJobs of all schedules, and the kustomization that lists them."""
    files, left = {}, []
    template = rendering.templates().get_template("cronjob.yaml.j2")
    for key, schedule in config.schedules.items():
        if reason := _unsupported_reason(schedule):
            left.append(SkippedSchedule(id=key, reason=reason))
            continue
        limits = rendering.time_limits(config, schedule)
        files[f"{_file(key)}.yaml"] = template.render(
            mark=rendering.generated_header("k8s"),
            id=key,
            name=_PREFIX + _file(key),
            schedule=schedule,
            cron=syntax.to_cron(fire_times.fire_times(schedule).times[0]),
            timezone="Etc/UTC" if schedule.timezone == "UTC" else schedule.timezone,
            start_s=_starting_deadline_s(key, schedule, now),
            limits=limits,
            attempts=config.runner.max_attempts,
            clocks=_dst_note(key, schedule, now),
        )
    listing = rendering.templates().get_template("kustomization.yaml.j2")
    files["kustomization.yaml"] = listing.render(
        mark=rendering.generated_header("k8s"), names=sorted(files), left=left
    )
    return RenderedFiles(target="k8s", files=files, skipped=tuple(left))


def _unsupported_reason(schedule: Schedule) -> str:
    """Why a schedule can be no CronJob, if it cannot."""
    if not schedule.enabled:
        return "it is disabled"
    found = fire_times.fire_times(schedule)
    if found.reason:
        return found.reason
    first = found.times[0]
    if any(wake.seconds != {0} for wake in found.times):
        return "a CronJob knows no seconds"
    if schedule.at is not None:
        return "a CronJob knows no year"
    if not found.exact:
        return "five plain fields cannot say it exactly"
    if len(found.times) > 1:
        return "it takes more than one line of five fields"
    if first.days.restricts_both and not first.days.either:
        return "of date and weekday Kubernetes takes either, not both"
    return ""


def _file(key: str) -> str:
    """A name that Kubernetes takes; one that had to be changed much ends in its own digits."""
    name = key.replace("_", "-")
    if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) and len(_PREFIX + name) <= _MAX_NAME_LENGTH:
        return name
    digits = f"x{crc32(key.encode()):08x}"
    plain = re.sub("-+", "-", name).strip("-")[: _MAX_NAME_LENGTH - len(_PREFIX) - len(digits) - 1]
    return f"{plain.strip('-')}-{digits}".strip("-")


def _starting_deadline_s(key: str, schedule: Schedule, now: datetime) -> int:
    """Seconds that a Job may be made late: never so many that a hundred slots fit into them."""
    near = list(islice(slots.slots_after(key, schedule, now), 200))
    periods = [(b.at - a.at) / timedelta(seconds=1) for a, b in pairwise(near)]
    grace = schedule.misfire_grace_s or _START_S
    return max(_SOON_S, round(min([_START_S, grace, *periods])))


def _dst_note(key: str, schedule: Schedule, now: datetime) -> str:
    """What Kubernetes gets wrong when clocks change: it skips and doubles what they do."""
    if schedule.cron is None or not slots.has_fixed_times(schedule.cron):
        return ""
    until = now.astimezone(UTC) + timedelta(days=366)
    # With a field for seconds an expression follows the clock, as Kubernetes does.
    theirs = _until(key, replace(schedule, cron=f"0 {schedule.cron}"), now, until)
    ours = _until(key, schedule, now, until)
    told = [f"has no Job for {format_rfc3339(at)}" for at in sorted(ours - theirs)[:1]]
    told += [f"makes one for {format_rfc3339(at)}, which fails" for at in sorted(theirs - ours)[:1]]
    return " and ".join(told)


def _until(key: str, schedule: Schedule, now: datetime, until: datetime) -> set[datetime]:
    found: set[datetime] = set()
    slot: Slot
    for slot in slots.slots_after(key, schedule, now):
        if slot.at > until:
            break
        found.add(slot.at)
    return found
