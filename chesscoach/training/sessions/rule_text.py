"""The text of an RRULE (RFC 5545, section 3.3.10): reading, checking and writing it.

A rule says on which days sessions are; their time comes from DTSTART. So rules within a day, and
parts that choose a time, are refused. A part that another calendar program may read differently is
refused too, as the RFC does.
"""

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
MAX_LENGTH = 500
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_DAY = r"(?:MO|TU|WE|TH|FR|SA|SU)"
_DAYS_PATTERN = re.compile(rf"([+-]?[0-9]{{1,2}})?{_DAY}(,([+-]?[0-9]{{1,2}})?{_DAY})*", re.ASCII)
_NUMBERS_PATTERN = re.compile(r"[+-]?[0-9]{1,3}(,[+-]?[0-9]{1,3})*", re.ASCII)
_UNTIL_PATTERN = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?", re.ASCII)
_LARGEST = {
    "BYMONTHDAY": 31,
    "BYYEARDAY": 366,
    "BYWEEKNO": 53,
    "BYMONTH": 12,
    "BYSETPOS": 366,
    "INTERVAL": 1000,
    "COUNT": 10_000,
}
_POSITIVE = ("BYMONTH", "INTERVAL", "COUNT")
_FORBIDDEN = {
    "DAILY": ("BYYEARDAY", "BYWEEKNO"),
    "WEEKLY": ("BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"),
    "MONTHLY": ("BYYEARDAY", "BYWEEKNO"),
    "YEARLY": (),
}
"""Parts that the RFC forbids with a frequency."""
_CHOICES = ("BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH")
_TIME_PARTS = ("BYHOUR", "BYMINUTE", "BYSECOND")

RuleParts = dict[str, str]
"""The parts of a rule by name, both in capitals."""


def parse_rule(text: str) -> RuleParts:
    """The parts of a rule; `RRULE:` before it is left out.

    Raises:
        ValueError: the text is not a rule that sessions can have; the message says why.
    """
    if len(text) > MAX_LENGTH:
        msg = f"has more than {MAX_LENGTH} characters"
        raise ValueError(msg)
    parts: RuleParts = {}
    for pair in text.strip().upper().removeprefix("RRULE:").rstrip(";").split(";"):
        name, equals, value = (piece.strip() for piece in pair.partition("="))
        if not equals or not name or not value:
            msg = f"{pair[:40]!r} is not NAME=VALUE: give one rule, such as FREQ=WEEKLY;BYDAY=MO"
            raise ValueError(msg)
        if name in parts:
            msg = f"{name[:40]} is given twice"
            raise ValueError(msg)
        parts[name] = value
    _check(parts)
    return parts


def _check(parts: RuleParts) -> None:
    frequency = parts.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        msg = f"FREQ={frequency[:40]}: give one of {', '.join(_FREQUENCIES)}"
        raise ValueError(msg)
    if "COUNT" in parts and "UNTIL" in parts:
        msg = "give COUNT or UNTIL, not both"
        raise ValueError(msg)
    for name, value in parts.items():
        if name in _TIME_PARTS:
            msg = f"{name}: the time comes from --at: leave it out"
            raise ValueError(msg)
        if name in _FORBIDDEN[frequency]:
            msg = f"{name} is not allowed with FREQ={frequency}"
            raise ValueError(msg)
        if not _is_valid(name, value):
            msg = f"{name[:40]}={value[:40]} is not a part of a rule"
            raise ValueError(msg)
    if re.search("[0-9]", parts.get("BYDAY", "")) and (
        frequency in ("DAILY", "WEEKLY") or "BYWEEKNO" in parts
    ):
        msg = f"BYDAY={parts['BYDAY'][:40]}: days are not numbered with FREQ={frequency}"
        raise ValueError(msg)
    if "BYSETPOS" in parts and not any(name in parts for name in _CHOICES):
        msg = f"BYSETPOS needs one of {', '.join(_CHOICES)}"
        raise ValueError(msg)


def _is_valid(name: str, value: str) -> bool:
    match name:
        case "FREQ":
            return True
        case "WKST":
            return value in WEEKDAYS
        case "UNTIL":
            return _UNTIL_PATTERN.fullmatch(value) is not None and _parse_until(value) is not None
        case "BYDAY":
            numbers = re.findall("[0-9]+", value)
            return _DAYS_PATTERN.fullmatch(value) is not None and all(
                1 <= int(number) <= 53 for number in numbers
            )
    largest = _LARGEST.get(name)
    if largest is None or not _NUMBERS_PATTERN.fullmatch(value):
        return False
    if not name.startswith("BY") and not value.isdigit():
        return False
    numbers = [int(number) for number in value.split(",")]
    return all(1 <= abs(n) <= largest and (n > 0 or name not in _POSITIVE) for n in numbers)


def _parse_until(value: str) -> datetime | None:
    try:
        return datetime.strptime(value.rstrip("Z"), "%Y%m%dT%H%M%S" if "T" in value else "%Y%m%d")  # noqa: DTZ007  # the zone is the caller's
    except ValueError:
        return None


def format_rule(parts: RuleParts) -> str:
    """The text of a rule, its parts in the order in which they were given, FREQ first."""
    ordered = {"FREQ": parts["FREQ"], **parts}
    return ";".join(f"{name}={value}" for name, value in ordered.items())


def until_of(parts: RuleParts, zone: ZoneInfo) -> datetime | None:
    """The last local time that a rule allows; a date is its whole day."""
    value = parts.get("UNTIL")
    at = _parse_until(value) if value is not None else None
    if value is None or at is None:
        return None
    if "T" not in value:
        return datetime.combine(at, time(23, 59, 59))
    if value.endswith("Z"):
        return at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None, fold=0)
    return at


def with_until(parts: RuleParts, local: datetime | None, zone: ZoneInfo) -> RuleParts:
    """The parts with another end, in UTC as the RFC wants it where DTSTART has a zone."""
    rest = {name: value for name, value in parts.items() if name != "UNTIL"}
    if local is None:
        return rest
    at = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return {**rest, "UNTIL": f"{at:%Y%m%dT%H%M%SZ}"}


def end_of_day(day: date) -> datetime:
    """The last second of a local day."""
    return datetime.combine(day, time(23, 59, 59))
