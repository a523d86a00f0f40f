"""The friendly options of a recurrence, and the RRULE that means the same.

| option | days |
|---|---|
| once | the day itself |
| daily | every day, or those of some weekdays |
| weekly | some weekdays, by default that of the first day |
| fortnightly | the same in every second week, counted from the Monday of the first day's week |
| monthly | a day of the month, by default that of the first day; the last one of a shorter month |
"""

from datetime import date
from typing import Literal, get_args

from msgspec import Struct

from chesscoach.training.sessions.rule_text import WEEKDAYS, RuleParts

Frequency = Literal["once", "daily", "weekly", "fortnightly", "monthly"]
FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency)
WITH_DAYS: tuple[Frequency, ...] = ("daily", "weekly", "fortnightly")
_SHORTEST_MONTH = 28


class FriendlyOptions(Struct, frozen=True, kw_only=True):
    """A frequency, its weekdays (0 is Monday) and its day of the month."""

    frequency: Frequency
    weekdays: tuple[int, ...] = ()
    day_of_month: int | None = None


def to_rule(friendly: FriendlyOptions, first_day: date) -> RuleParts:
    """The rule of the options, for a routine that begins on `first_day`.

    Raises:
        ValueError: an option does not go with the frequency; the message names it.
    """
    frequency = friendly.frequency
    if friendly.weekdays and frequency not in WITH_DAYS:
        msg = f"--on: {frequency} has no weekdays: leave it out"
        raise ValueError(msg)
    if friendly.day_of_month is not None and frequency != "monthly":
        msg = f"--day-of-month: only monthly has one, and this is {frequency}: leave it out"
        raise ValueError(msg)
    match frequency:
        case "once":
            return {"FREQ": "DAILY", "COUNT": "1"}
        case "daily":
            return {"FREQ": "DAILY", **_by_day(friendly.weekdays)}
        case "weekly":
            return {"FREQ": "WEEKLY", **_by_day(friendly.weekdays or (first_day.weekday(),))}
        case "fortnightly":
            days = _by_day(friendly.weekdays or (first_day.weekday(),))
            return {"FREQ": "WEEKLY", "INTERVAL": "2", "WKST": "MO", **days}
        case "monthly":
            return {"FREQ": "MONTHLY", **_by_month_day(friendly.day_of_month or first_day.day)}


def from_rule(parts: RuleParts) -> FriendlyOptions | None:
    """The options that give this rule, ignoring its end; None if no options do."""
    rule = {name: value for name, value in parts.items() if name != "UNTIL"}
    for friendly in _candidates(rule):
        if to_rule(friendly, date.min) == rule:
            return friendly
    return None


def _candidates(rule: RuleParts) -> list[FriendlyOptions]:
    days = rule.get("BYDAY", "")
    weekdays = tuple(n for n, name in enumerate(WEEKDAYS) if name in days.split(","))
    month_day = rule.get("BYMONTHDAY", "").split(",")[-1]
    monthly = (
        [FriendlyOptions(frequency="monthly", day_of_month=int(month_day))]
        if month_day.isdigit()
        else []
    )
    return [
        FriendlyOptions(frequency="once"),
        *(
            FriendlyOptions(frequency=name, weekdays=weekdays)
            for name in FREQUENCIES
            if name in WITH_DAYS
        ),
        *monthly,
    ]


def _by_day(weekdays: tuple[int, ...]) -> RuleParts:
    return {"BYDAY": ",".join(WEEKDAYS[n] for n in sorted(set(weekdays)))} if weekdays else {}


def _by_month_day(day: int) -> RuleParts:
    """A day that each month has, else the last of those from the 28th to it that it has."""
    if day <= _SHORTEST_MONTH:
        return {"BYMONTHDAY": str(day)}
    days = ",".join(str(n) for n in range(_SHORTEST_MONTH, day + 1))
    return {"BYMONTHDAY": days, "BYSETPOS": "-1"}
