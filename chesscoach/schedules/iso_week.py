"""ISO weeks: what a weekly mail is about, and what it is named after."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

# Of other millennia some have no beginning in some zones: what is before year 1 is no date.
_KEY_PATTERN = re.compile(r"(2\d{3})-W(\d\d)", re.ASCII)


class Week(Struct, frozen=True, order=True):
    """An ISO week (ISO 8601): it begins on a Monday, and week 1 holds the year's first Thursday.

    The year is the week's own: 2027-01-01 lies in 2026-W53.
    """

    year: int
    number: int

    @classmethod
    def containing(cls, day: date) -> "Week":
        """The week in which a day lies."""
        year, number, _ = day.isocalendar()
        return cls(year, number)

    @classmethod
    def parse(cls, text: str) -> "Week":
        """The week that a key such as `2026-W47` names.

        Raises:
            ValueError: it names none.
        """
        found = _KEY_PATTERN.fullmatch(text)
        if found is None:
            msg = "expected an ISO week, such as 2026-W47"
            raise ValueError(msg)
        try:
            return cls.containing(date.fromisocalendar(int(found[1]), int(found[2]), 1))
        except ValueError:
            msg = f"there is no such ISO week: {text}"
            raise ValueError(msg) from None

    @property
    def key(self) -> str:
        """Its name, zero-padded so that names sort as weeks do."""
        return f"{self.year:04}-W{self.number:02}"

    @property
    def monday(self) -> date:
        """The day on which it begins."""
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
        """The instant, in UTC, at which it begins in a zone.

        A Monday whose midnight is left out by a change of clocks begins at the change; one that has
        it twice begins with the first.
        """
        return datetime.combine(self.monday, time.min, zone).astimezone(UTC)
