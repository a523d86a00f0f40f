"""Local times that are left out or come twice, by a policy that says what becomes of them.

A cron expression names local times. Where clocks are put forward some of them never come (a gap),
where they are put back some come twice (a fold).
"""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim

GapPolicy = Literal["run_after", "skip"]
FoldPolicy = Literal["first", "both"]

_MAX_DST_SHIFT = timedelta(hours=3)
"""No clock is put back by more at a time."""


def cron_instants(
    cron: str, zone: ZoneInfo, after: datetime, *, gap: GapPolicy, fold: FoldPolicy
) -> Iterator[datetime]:
    """The instants later than `after` that an expression names, in UTC; not strictly increasing.

    Local times in a gap are all the first instant after it, or none; those in a fold are their
    first pass, or both.
    """
    second_passes: deque[datetime] = deque()
    for local in CronSim(cron, _search_start(after, zone)):
        first = _first_instant(local, zone, gap)
        if first is None:
            continue
        while second_passes and second_passes[0] < first:
            yield second_passes.popleft()
        if first > after:
            yield first
        second = _utc(local, zone, 1)
        if fold == "both" and second > max(first, after) and _exists(local, zone):
            second_passes.append(second)


def utc_instants_of(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants at which a local time comes, in UTC: none in a gap, two in a fold."""
    if not _exists(local, zone):
        return []
    return sorted({_utc(local, zone, fold) for fold in (0, 1)})


def dst_shift(day: date, zone: ZoneInfo) -> timedelta:
    """By how much clocks are put forward within a local day; less than nothing if back."""
    begin, end = (
        datetime.combine(each, time(), zone).utcoffset() or timedelta(0)
        for each in (day, day + timedelta(days=1))
    )
    return end - begin


def end_of_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the clocks are put forward over a local time that never comes."""
    early, late = _utc(local, zone, 1), _utc(local, zone, 0)
    before = early.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late


def _search_start(after: datetime, zone: ZoneInfo) -> datetime:
    """The local time from which to go on; earlier by a fold that may be under way."""
    local = after.astimezone(zone)
    later = (after + _MAX_DST_SHIFT).astimezone(zone).utcoffset() or timedelta(0)
    put_back = (local.utcoffset() or timedelta(0)) - later
    return local.replace(tzinfo=None, fold=0) - max(put_back, timedelta(0))


def _first_instant(local: datetime, zone: ZoneInfo, gap: GapPolicy) -> datetime | None:
    if _exists(local, zone):
        return _utc(local, zone, 0)
    return end_of_gap(local, zone) if gap == "run_after" else None


def _utc(local: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _exists(local: datetime, zone: ZoneInfo) -> bool:
    return _utc(local, zone, 0).astimezone(zone).replace(tzinfo=None, fold=0) == local
