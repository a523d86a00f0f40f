"""Local times that a change of clocks skips (a gap) or repeats (a fold)."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def utc_instants_of(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """Returns the instants of a local time, in UTC: none in a gap, two in a fold."""
    instants = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(at for at in instants if _local_time(at, zone) == local)


def dst_shift(day: date, zone: ZoneInfo) -> timedelta:
    """Returns how far clocks go forward within a local day; negative if they go back."""
    begin, end = (
        datetime.combine(midnight, time(), zone).utcoffset() or timedelta(0)
        for midnight in (day, day + timedelta(days=1))
    )
    return end - begin


def _local_time(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)
