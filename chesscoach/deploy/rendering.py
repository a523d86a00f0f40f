"""What is written for a home: its files, and which schedules have no place there."""

from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Struct

from chesscoach.config import Config, JobLimits
from chesscoach.schedules.schedule import Schedule

Target = Literal["k8s", "systemd", "crontab"]


def generated_header(home: Target) -> str:
    """Stands in the first line of every file that we write; one that has it may be removed."""
    return f"Rendered by `chesscoach deploy render {home}`"


class SkippedSchedule(Struct, frozen=True, kw_only=True):
    """A schedule that is not written, and why."""

    id: str
    reason: str


class RenderedFiles(Struct, frozen=True, kw_only=True):
    """Files by their names, and what is left out; the daemon works it all the same."""

    target: Target
    files: dict[str, str]
    skipped: tuple[SkippedSchedule, ...]


class TimeLimits(Struct, frozen=True, kw_only=True):
    """How long a run of a schedule may take, in whole seconds.

    `run_timeout_s` until it receives a SIGTERM: it ends by itself before, at its job's `timeout_s`
    after its jitter. `stop_timeout_s` from there to the SIGKILL.
    """

    run_timeout_s: int
    stop_timeout_s: int


_TIMEOUT_MARGIN_S = 60
"""Seconds for a start, a connection and the last record."""


def time_limits(config: Config, schedule: Schedule) -> TimeLimits:
    """The time that a schedule's runs are given from outside."""
    limits: JobLimits = getattr(config.jobs, schedule.job, JobLimits())
    leave = stop_timeout_s(config)
    return TimeLimits(
        run_timeout_s=round(limits.timeout_s + schedule.jitter_s) + leave, stop_timeout_s=leave
    )


def stop_timeout_s(config: Config) -> int:
    """Seconds from a SIGTERM to the SIGKILL, longer than the drain takes."""
    return round(config.runner.grace_s) + _TIMEOUT_MARGIN_S // 2


def templates() -> Environment:
    """What the files are made from. Nothing is escaped: there is no HTML among them."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,  # noqa: S701  # units and YAML; what is put in is checked configuration
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
