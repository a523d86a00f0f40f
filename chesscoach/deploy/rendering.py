"""Rendered files, the schedules that are left to the daemon, and what all targets share."""

from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Struct

from chesscoach.config import Config, JobLimits
from chesscoach.schedules.schedule import Schedule

Target = Literal["k8s", "systemd", "crontab"]


def generated_header(target: Target) -> str:
    """Returns the words in the first line of every file that the command may replace or delete."""
    return f"Rendered by `chesscoach deploy render {target}`"


class InstallPaths(Struct, frozen=True, kw_only=True):
    """Places on a machine: virtual environment, settings with secrets, working directory; user."""

    prefix: str = "/opt/chesscoach"
    etc: str = "/etc/chesscoach"
    state: str = "/var/lib/chesscoach"
    user: str = "chesscoach"


class SkippedSchedule(Struct, frozen=True, kw_only=True):
    """A schedule that is not rendered, and why, as a clause."""

    id: str
    reason: str


class RenderedFiles(Struct, frozen=True, kw_only=True):
    """Files by name, and the schedules that are left to the daemon."""

    target: Target
    files: dict[str, str]
    skipped: tuple[SkippedSchedule, ...]


class TimeLimits(Struct, frozen=True, kw_only=True):
    """The time limits of a schedule's run, in whole seconds.

    SIGTERM comes after `run_timeout_s`, which is longer than the job's own `timeout_s` and its
    jitter. SIGKILL comes `stop_timeout_s` later.
    """

    run_timeout_s: int
    stop_timeout_s: int


_TIMEOUT_MARGIN_S = 60
"""Time for the start, the connection and the last record."""


def time_limits(config: Config, schedule: Schedule) -> TimeLimits:
    """Returns the time limits of a schedule's runs."""
    limits: JobLimits = getattr(config.jobs, schedule.job, JobLimits())
    stop_s = stop_timeout_s(config)
    return TimeLimits(
        run_timeout_s=round(limits.timeout_s + schedule.jitter_s) + stop_s, stop_timeout_s=stop_s
    )


def stop_timeout_s(config: Config) -> int:
    """Returns the seconds from SIGTERM to SIGKILL, longer than a drain takes."""
    return round(config.runner.grace_s) + _TIMEOUT_MARGIN_S // 2


def templates() -> Environment:
    """Returns the templates of the files. None is HTML, so nothing is escaped."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,  # noqa: S701  # units and YAML of checked configuration
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
