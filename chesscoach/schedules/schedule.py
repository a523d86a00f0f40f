"""Schedules and their slots."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from msgspec import Meta, Struct

Identifier = Annotated[
    str, Meta(pattern=r"^[a-z0-9_]{1,64}\Z", description="a-z, 0-9 and _, at most 64 characters")
]
Seconds = Annotated[float, Meta(gt=0, le=366 * 86400)]
Instant = Annotated[datetime, Meta(tz=True)]
Amount = Annotated[int, Meta(ge=0, le=316_000_000)]

_EARLIEST_INSTANT, _LATEST_INSTANT = (
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2200, 1, 1, tzinfo=UTC),
)
"""An instant outside is a mistake, and arithmetic with it would leave the calendar."""

_CRON_FIELDS = (
    ("day-of-week", 7),
    ("month", 12),
    ("day-of-month", 31),
    ("hour", 24),
    ("minute", 60),
    ("second", 60),
)
"""The fields of a cron expression from the last to the first, and how many values each has."""

_STEP_PATTERN = re.compile(r"/(\d+)", re.ASCII)

_EXCLUDED_ZONES = ("localtime", "posixrules", "Factory", "posix", "right")
"""Names that differ by machine: its local time, and zones that count leap seconds."""


def parse_rfc3339(text: str) -> datetime:
    """Returns an instant in RFC 3339 as UTC.

    Raises:
        ValueError: the text is not an instant, has no offset, or is not between 1970 and 2200.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or not _EARLIEST_INSTANT <= at < _LATEST_INSTANT:
        msg = "not an instant with an offset between 1970 and 2200"
        raise ValueError(msg)
    return at.astimezone(UTC)


def format_rfc3339(at: datetime) -> str:
    """Returns an instant in RFC 3339, in UTC and whole seconds."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


class Every(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A period of elapsed time, which does not depend on changes of clocks.

    Raises:
        ValueError: the period is shorter than a second or longer than ten years.
    """

    weeks: Amount = 0
    days: Amount = 0
    hours: Amount = 0
    minutes: Amount = 0
    seconds: Amount = 0

    def __post_init__(self) -> None:
        try:
            possible = timedelta(seconds=1) <= self.period <= timedelta(days=3660)
        except OverflowError:
            possible = False
        if not possible:
            msg = "a period is at least a second and at most ten years"
            raise ValueError(msg)

    @property
    def period(self) -> timedelta:
        """The period as a time span."""
        return timedelta(
            weeks=self.weeks,
            days=self.days,
            hours=self.hours,
            minutes=self.minutes,
            seconds=self.seconds,
        )

    @property
    def text(self) -> str:
        """The period in short: `1w 2d`."""
        amounts = (self.weeks, self.days, self.hours, self.minutes, self.seconds)
        return " ".join(
            f"{amount}{unit}" for amount, unit in zip(amounts, "wdhms", strict=True) if amount
        )


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a job runs, and what happens to slots that cannot run in time.

    One trigger: `cron` (five fields, or six with seconds first) in a timezone; `every`, counted
    from `anchor`; or `at`, once. When clocks change, `cron` follows Debian's cron.

    `lock` names the lease (default: the job's name), of which `max_instances` can be held at a
    time. A slot that finds all of them held is skipped, or runs right after (`overlap`). After
    downtime, the latest slot runs (`coalesce`) or each, none later than `misfire_grace_s`. A run
    begins up to `jitter_s` late, by a delay that is fixed for each slot.

    Raises:
        ValueError: a field cannot be used (msgspec reports it by key).
    """

    job: Identifier
    cron: Annotated[str, Meta(max_length=200)] | None = None
    timezone: Annotated[str, Meta(max_length=100)] = "UTC"
    every: Every | None = None
    anchor: Instant = datetime(2001, 1, 1, tzinfo=UTC)
    at: Instant | None = None
    enabled: bool = True
    lock: Identifier | None = None
    max_instances: Annotated[int, Meta(ge=1, le=100)] = 1
    overlap: Literal["skip", "queue_one"] = "skip"
    coalesce: bool = True
    misfire_grace_s: Seconds | None = None
    jitter_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    args: dict[str, Any] = {}

    def __post_init__(self) -> None:
        given = [name for name in ("cron", "every", "at") if getattr(self, name) is not None]
        if len(given) != 1:
            triggers = " and ".join(given) or "no trigger"
            msg = f"give one of cron, every and at; there is {triggers}"
            raise ValueError(msg)
        if self.cron is not None:
            try:
                CronSim(self.cron, datetime(2026, 1, 1, tzinfo=UTC))
                _check_steps(self.cron)
            except CronSimError as error:
                msg = f"cron cannot be read: {error}"
                raise ValueError(msg) from None
        try:
            ZoneInfo(self.timezone)
            known = self.timezone.partition("/")[0] not in _EXCLUDED_ZONES
        except (ZoneInfoNotFoundError, ValueError, OSError):
            known = False
        if not known:
            msg = "timezone is not in the IANA database"
            raise ValueError(msg)
        for name in ("anchor", "at"):
            at: datetime | None = getattr(self, name)
            if at is not None and not _EARLIEST_INSTANT <= at < _LATEST_INSTANT:
                msg = f"{name} is not between 1970 and 2200"
                raise ValueError(msg)

    @property
    def trigger(self) -> str:
        """When the job runs, in one line."""
        if self.cron is not None:
            return f"{self.cron} ({self.timezone})"
        if self.every is not None:
            return f"every {self.every.text}"
        return f"once at {format_rfc3339(self.at)}" if self.at is not None else "never"


def _check_steps(cron: str) -> None:
    """Refuses a step that is larger than its field: cron would take `*/90` minutes for an hour."""
    for text, (name, size) in zip(reversed(cron.split()), _CRON_FIELDS, strict=False):
        for step in map(int, _STEP_PATTERN.findall(text)):
            if step > size:
                msg = f"Bad {name}: a step of {step} in a field of {size}; use every"
                raise CronSimError(msg)


class Slot(Struct, frozen=True, kw_only=True):
    """One occurrence of a schedule: an instant at which it is due."""

    schedule: str
    at: datetime

    @property
    def name(self) -> str:
        """The instant in RFC 3339, as in run records, logs and `CHESSCOACH_SLOT`."""
        return format_rfc3339(self.at)

    @property
    def key(self) -> str:
        """`{schedule}:{slot}`, the `_id` of the run."""
        return f"{self.schedule}:{self.name}"
