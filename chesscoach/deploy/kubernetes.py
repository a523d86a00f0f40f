"""A Kubernetes CronJob per schedule.

A Job's slot is in its name, and a Job for an instant that is not a slot fails.
"""

import re
from datetime import datetime, timedelta
from itertools import islice, pairwise, takewhile
from zlib import crc32

from msgspec.structs import replace

from chesscoach.config import Config
from chesscoach.deploy import plain_cron, rendering
from chesscoach.deploy.rendering import RenderedFiles, SkippedSchedule
from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule, format_rfc3339

_PREFIX = "chesscoach-"
_MAX_NAME_LENGTH = 52
"""Maximum length of a CronJob's name; the name of a Job has eleven characters more."""

_MAX_START_DEADLINE_S = 600
_MIN_START_DEADLINE_S = 10
"""Kubernetes looks every ten seconds, so it may miss a shorter deadline."""


def render(config: Config, now: datetime) -> RenderedFiles:
    """Returns the CronJobs of the plain cron schedules, and the kustomization that lists them."""
    files, skipped = {}, []
    template = rendering.templates().get_template("cronjob.yaml.j2")
    for key, schedule in config.schedules.items():
        reason = plain_cron.unsupported_reason(schedule)
        if reason or schedule.cron is None:
            skipped.append(SkippedSchedule(id=key, reason=reason))
            continue
        limits = rendering.time_limits(config, schedule)
        files[f"{_kubernetes_name(key)}.yaml"] = template.render(
            header=rendering.generated_header("k8s"),
            id=key,
            name=_PREFIX + _kubernetes_name(key),
            schedule=schedule,
            cron=plain_cron.parse(schedule.cron).five_fields,
            timezone="Etc/UTC" if schedule.timezone == "UTC" else schedule.timezone,
            start_deadline_s=_starting_deadline_s(key, schedule, now),
            limits=limits,
            attempts=config.runner.max_attempts,
            dst_note=_dst_note(key, schedule.cron, schedule, now),
        )
    listing = rendering.templates().get_template("kustomization.yaml.j2")
    files["kustomization.yaml"] = listing.render(
        header=rendering.generated_header("k8s"), names=sorted(files), skipped=skipped
    )
    return RenderedFiles(target="k8s", files=files, skipped=tuple(skipped))


def _kubernetes_name(key: str) -> str:
    """Returns a name that Kubernetes accepts; a hash makes one distinct that had to be changed."""
    name = key.replace("_", "-")
    if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) and len(_PREFIX + name) <= _MAX_NAME_LENGTH:
        return name
    digits = f"x{crc32(key.encode()):08x}"
    plain = re.sub("-+", "-", name).strip("-")[: _MAX_NAME_LENGTH - len(_PREFIX) - len(digits) - 1]
    return f"{plain.strip('-')}-{digits}".strip("-")


def _starting_deadline_s(key: str, schedule: Schedule, now: datetime) -> int:
    """Returns how late Kubernetes may create a Job; a hundred slots never fit into it."""
    near = list(islice(slots.slots_after(key, schedule, now), 200))
    periods = [(later.at - slot.at) / timedelta(seconds=1) for slot, later in pairwise(near)]
    grace = schedule.misfire_grace_s or _MAX_START_DEADLINE_S
    return max(_MIN_START_DEADLINE_S, round(min([_MAX_START_DEADLINE_S, grace, *periods])))


def _dst_note(key: str, cron: str, schedule: Schedule, now: datetime) -> str:
    """Returns what Kubernetes gets wrong when clocks change within a year, as a clause."""
    if not slots.has_fixed_times(cron):
        return ""
    # With a field for seconds an expression follows the clock, as Kubernetes does.
    follower = replace(schedule, cron=f"0 {cron}")
    theirs, ours = _slots_of_year(key, follower, now), _slots_of_year(key, schedule, now)
    missing, extra = sorted(ours - theirs), sorted(theirs - ours)
    notes = [f"has no Job for {format_rfc3339(at)}" for at in missing[:1]]
    notes += [f"makes one for {format_rfc3339(at)}, which fails" for at in extra[:1]]
    return " and ".join(notes)


def _slots_of_year(key: str, schedule: Schedule, now: datetime) -> set[datetime]:
    until = now + timedelta(days=366)
    near = takewhile(lambda slot: slot.at <= until, slots.slots_after(key, schedule, now))
    return {slot.at for slot in near}
