"""ISO weeks: the period and the key of a weekly email."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

# The first weeks of the calendar begin before year 1 in some zones, which is not a date.
_KEY_PATTERN = re.compile(r"(2\d{3})-W(\d\d)", re.ASCII)


class Week(Struct, frozen=True, order=True):
    """An ISO week (ISO 8601): it begins on a Monday, and week 1 has the year's first Thursday.

    The year is the week's own: 2027-01-01 is in 2026-W53.
    """

    year: int
    number: int

    @classmethod
    def containing(cls, day: date) -> "Week":
        """Returns the week that contains a day."""
        year, number, _ = day.isocalendar()
        return cls(year, number)

    @classmethod
    def parse(cls, text: str) -> "Week":
        """Returns the week of a key such as `2026-W47`.

        Raises:
            ValueError: the text is not the key of a week.
        """
        match = _KEY_PATTERN.fullmatch(text)
        try:
            if match is not None:
                return cls.containing(date.fromisocalendar(int(match[1]), int(match[2]), 1))
        except ValueError:
            pass  # such as week 54
        msg = f"{text[:40]!r} is not an ISO week, such as 2026-W47"
        raise ValueError(msg)

    @property
    def key(self) -> str:
        """The key, zero-padded so that keys sort as weeks do."""
        return f"{self.year:04}-W{self.number:02}"

    @property
    def monday(self) -> date:
        """The first day."""
        return date.fromisocalendar(self.year, self.number, 1)

    @property
    def before(self) -> "Week":
        """The week before it."""
        return Week.containing(self.monday - timedelta(days=7))

    @property
    def after(self) -> "Week":
        """The week after it."""
        return Week.containing(self.monday + timedelta(days=7))

    def start_in(self, zone: ZoneInfo) -> datetime:
        """Returns the instant, in UTC, at which the week begins in a zone.

        If a change of clocks skips Monday's midnight, the week begins at the change. If midnight
        comes twice, it begins with the first.
        """
        return datetime.combine(self.monday, time.min, zone).astimezone(UTC)
