"""What is written for a home: its files, and which schedules have no place there."""

from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Struct

from chesscoach.config import Config, Limits
from chesscoach.schedules.schedule import Schedule

Home = Literal["k8s", "systemd", "crontab"]


def mark(home: Home) -> str:
    """Stands in the first line of every file that we write; one that has it may be removed."""
    return f"Rendered by `chesscoach deploy render {home}`"


class Left(Struct, frozen=True, kw_only=True):
    """A schedule that is not written, and why."""

    id: str
    reason: str


class Plan(Struct, frozen=True, kw_only=True):
    """Files by their names, and what is left out; the daemon works it all the same."""

    home: Home
    files: dict[str, str]
    left: tuple[Left, ...]


class Bounds(Struct, frozen=True, kw_only=True):
    """How long a run of a schedule may take, in whole seconds.

    `work_s` until it is sent a SIGTERM: it ends by itself before, at its job's `timeout_s` after
    its jitter. `leave_s` from there to the SIGKILL.
    """

    work_s: int
    leave_s: int


_SPARE_S = 60
"""Seconds for a start, a connection and the last record."""


def bounds(config: Config, schedule: Schedule) -> Bounds:
    """The time that a schedule's runs are given from outside."""
    limits: Limits = getattr(config.jobs, schedule.job, Limits())
    leave = leaving_s(config)
    return Bounds(work_s=round(limits.timeout_s + schedule.jitter_s) + leave, leave_s=leave)


def leaving_s(config: Config) -> int:
    """Seconds from a SIGTERM to the SIGKILL, longer than the drain takes."""
    return round(config.runner.grace_s) + _SPARE_S // 2


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
