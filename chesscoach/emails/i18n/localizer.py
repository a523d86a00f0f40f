"""A localizer: the texts, plurals, numbers and dates of one language."""

import copy
import re
from datetime import date, datetime, time, timedelta
from functools import lru_cache, partial
from gettext import NullTranslations

from babel import Locale
from babel.dates import format_date, format_interval, format_time
from babel.numbers import format_decimal

from chesscoach.schedules.iso_week import Week

_SIGNED_FORMAT = "+#,##0;-#,##0"
_CACHED_WEEKS = 1000


class Localizer:
    """The language of an email; a text that is missing in its catalog stays English."""

    def __init__(self, locale: Locale, words: NullTranslations) -> None:
        self._locale = locale
        self._words = words
        # The same few numbers come often, and Babel is slow.
        self._decimal = lru_cache(_CACHED_WEEKS)(partial(format_decimal, locale=locale))
        self._days = lru_cache(_CACHED_WEEKS)(self._days_of)
        percent = copy.copy(locale.percent_formats[None])
        percent.frac_prec = (1, 1)
        self._percent = percent
        self.tag = str(locale).replace("_", "-")
        self.direction = "rtl" if locale.character_order == "right-to-left" else "ltr"
        self._warm_up()

    def gettext(self, message: str, **values: str) -> str:
        """Translate a text and insert its values."""
        text = self._words.gettext(message)
        return text % values if values else text

    def ngettext(self, one: str, many: str, count: int, **values: str) -> str:
        """Translate a text in the plural form of a number, `%(count)s`."""
        text = self._words.ngettext(one, many, count)
        return text % {"count": self.number(count), **values}

    def number(self, value: int) -> str:
        """Format a whole number with its groups."""
        return self._decimal(value)

    def signed(self, value: int) -> str:
        """Format a whole number with its sign."""
        return self._decimal(value, format=_SIGNED_FORMAT) if value else "0"

    def decimal(self, value: float) -> str:
        """Format a number with one decimal."""
        return self._decimal(value, format="#,##0.0")

    def percent(self, value: float) -> str:
        """Format a percentage with one decimal; 100 is the whole."""
        return str(self._percent.apply(value / 100, self._locale))

    def days(self, week: Week) -> str:
        """Format a week's first and last day, such as 9-15 November 2026."""
        return self._days(week)

    def weekday_and_time(self, local: datetime) -> str:
        """Format a local time within a week, such as Tuesday 18:00."""
        weekday = format_date(local, "EEEE", locale=self._locale)
        return f"{weekday} {format_time(local, 'short', locale=self._locale)}"

    def _days_of(self, week: Week) -> str:
        first, last = week.monday, week.monday + timedelta(days=6)
        widest = "y" if first.year != last.year else "M" if first.month != last.month else "d"
        parts = self._locale.interval_formats.get("yMMMd", {}).get(widest)
        if parts is None or len(parts) != 2:
            return format_interval(first, last, "yMMMd", locale=self._locale)
        patterns = (re.sub(r"(?<![ML])([ML])\1\1(?![ML])", r"\1\1\1\1", part) for part in parts)
        return "".join(
            format_date(day, pattern, locale=self._locale)
            for day, pattern in zip((first, last), patterns, strict=True)
        )

    def _warm_up(self) -> None:
        # Babel reads a locale's file at its first use; that must not happen in an event loop.
        self.percent(1)
        self.signed(1)
        self.days(Week.containing(date(2026, 1, 1)))
        self.weekday_and_time(datetime.combine(date(2026, 1, 1), time()))
