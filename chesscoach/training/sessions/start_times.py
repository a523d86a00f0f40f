"""Local times as instants, also where the clocks of a zone skip or repeat them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def start_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time, in UTC.

    A time that the clocks skip moves forward, and one that comes twice is the second. Either is the
    later of the two readings that Python has for it.
    """
    first, second = _readings(local, zone)
    return max(first, second)


def comes_twice(local: datetime, zone: ZoneInfo) -> bool:
    """Whether a local time occurs twice. A plain RRULE then means the first."""
    first, second = _readings(local, zone)
    return first < second


def _readings(local: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return first, local.replace(tzinfo=zone, fold=1).astimezone(UTC)
