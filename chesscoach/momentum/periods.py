"""Weeks and months of a player: their keys, their days, and when they close.

A day belongs to a period by its local date. Keys are zero-padded, so they sort as periods do.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from chesscoach.schedules.iso_week import Week

Kind = Literal["week", "month"]
KINDS: tuple[Kind, ...] = ("week", "month")

_DAY = timedelta(days=1)


class Period(Struct, frozen=True, kw_only=True):
    """An ISO week such as `2026-W10`, or a calendar month such as `2026-03`."""

    kind: Kind
    key: str
    first: date
    last: date

    @property
    def before(self) -> "Period":
        """The period before it."""
        return period_of(self.kind, self.first - _DAY)

    @property
    def after(self) -> "Period":
        """The period after it."""
        return period_of(self.kind, self.last + _DAY)

    def ends_at(self, zone: ZoneInfo) -> datetime:
        """The instant, in UTC, at which its last day ends in a zone."""
        return datetime.combine(self.last + _DAY, time.min, zone).astimezone(UTC)

    def closes_at(self, zone: ZoneInfo, grace_h: int) -> datetime:
        """The instant, in UTC, from which its results are final: that hour of the next day."""
        return datetime.combine(self.last + _DAY, time(grace_h), zone).astimezone(UTC)

    def ranked_at(self, hour: int) -> datetime:
        """The instant from which players are ranked: that hour of the next day in UTC."""
        return datetime.combine(self.last + _DAY, time(hour), UTC)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The zone of a checked name; zoneinfo itself keeps only eight and reads the others again."""
    return ZoneInfo(name)


def local_date(at: datetime, zone: ZoneInfo) -> date:
    """The date of an instant in a zone."""
    return at.astimezone(zone).date()


def noon(day: date, zone: ZoneInfo) -> datetime:
    """Noon of a local day, in UTC."""
    return datetime.combine(day, time(12), zone).astimezone(UTC)


def period_of(kind: Kind, day: date) -> Period:
    """The period of a kind that contains a day."""
    if kind == "week":
        week = Week.containing(day)
        return Period(
            kind=kind, key=week.key, first=week.monday, last=week.monday + timedelta(days=6)
        )
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return Period(
        kind=kind, key=f"{day.year:04}-{day.month:02}", first=first, last=following - _DAY
    )


def key_of(kind: Kind, day: date) -> str:
    """The key of the period of a kind that contains a day."""
    if kind == "week":
        return Week.containing(day).key
    return f"{day.year:04}-{day.month:02}"


def parse_key(kind: Kind, key: str) -> Period:
    """The period of a key.

    Raises:
        ValueError: the text is not the key of such a period.
    """
    if kind == "week":
        return period_of(kind, Week.parse(key).monday)
    first = date.fromisoformat(f"{key}-01")
    if key_of(kind, first) != key:
        msg = "expected a month, such as 2026-03"
        raise ValueError(msg)
    return period_of(kind, first)


def last_ended(kind: Kind, at: datetime, zone: ZoneInfo) -> Period:
    """The last period whose last day has ended in a zone."""
    return period_of(kind, local_date(at, zone)).before


def last_closed(kind: Kind, at: datetime, zone: ZoneInfo, grace_h: int) -> Period:
    """The last period that has closed in a zone."""
    period = last_ended(kind, at, zone)
    return period if period.closes_at(zone, grace_h) <= at else period.before


def last_ranked(kind: Kind, at: datetime, hour: int) -> Period:
    """The last period whose players can be ranked."""
    period = period_of(kind, at.astimezone(UTC).date()).before
    return period if period.ranked_at(hour) <= at else period.before
