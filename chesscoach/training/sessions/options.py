"""What an operator asks of a routine, and the routine that this gives."""

import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from chesscoach.errors import ConfigError
from chesscoach.training.sessions import friendly_options, recurrence, rule_text
from chesscoach.training.sessions.friendly_options import WITH_DAYS, Frequency, FriendlyOptions
from chesscoach.training.sessions.recurrence import Recurrence
from chesscoach.training.sessions.routine import MAX_TITLE_LENGTH, Kind, Routine, ZoneSource
from chesscoach.training.sessions.rule_text import RuleParts

Unset = Literal["until", "skip", "timezone"]
UNSET: tuple[Unset, ...] = get_args(Unset)


class MissingOptions(ConfigError):
    """A new routine lacks options; `fields` names them."""

    def __init__(self, fields: Sequence[str]) -> None:
        flags = ("--recurrence or --rrule" if f == "recurrence" else f"--{f}" for f in fields)
        super().__init__(f"a routine needs {', '.join(flags)}")
        self.fields = tuple(fields)


class RoutineOptions(Struct, frozen=True, kw_only=True):
    """The options that are given; None where one is not. `rrule` is in place of a recurrence."""

    title: str | None = None
    kind: Kind | None = None
    count: int | None = None
    recurrence: Frequency | None = None
    on: tuple[int, ...] | None = None
    day_of_month: int | None = None
    from_date: date | None = None
    until: date | None = None
    skip: tuple[date, ...] | None = None
    at: time | None = None
    minutes: int | None = None
    rrule: str | None = None


def new_routine(
    routine_id: str,
    user_id: str,
    options: RoutineOptions,
    zone: ZoneInfo,
    source: ZoneSource,
    now: datetime,
) -> Routine:
    """The routine of complete options.

    Raises:
        ConfigError: an option is missing or cannot be used; the message names it.
    """
    needed = ("title", "kind", "from_date", "at", "minutes")
    missing = [name.removesuffix("_date") for name in needed if getattr(options, name) is None]
    if options.recurrence is None and options.rrule is None:
        missing.append("recurrence")
    if missing:
        raise MissingOptions(missing)
    first_day = options.from_date or date.min
    return Routine(
        id=routine_id,
        user_id=user_id,
        title=_title(options.title or ""),
        kind=options.kind or "manual",
        count=options.count or 1,
        minutes=options.minutes or 1,
        recurrence=_recurrence(options, _rule(options, first_day, None, ()), first_day, zone),
        zone_source=source,
        first_day=first_day,
        created_at=now,
        updated_at=now,
    )


def edited_routine(
    routine: Routine,
    options: RoutineOptions,
    unset: Sequence[Unset],
    zone: ZoneInfo,
    source: ZoneSource,
    now: datetime,
) -> Routine:
    """The routine with the given options changed: its next revision, or itself if nothing differs.

    Raises:
        ConfigError: an option cannot be used; the message names it.
    """
    before = routine.recurrence
    first_day = options.from_date or routine.first_day
    if options.skip is None:
        options = replace(options, skip=() if "skip" in unset else before.exdates)
    if options.at is None:
        options = replace(options, at=before.dtstart.time())
    changed = replace(
        routine,
        title=routine.title if options.title is None else _title(options.title),
        kind=options.kind or routine.kind,
        count=options.count or routine.count,
        minutes=options.minutes or routine.minutes,
        recurrence=_recurrence(options, _rule(options, first_day, before, unset), first_day, zone),
        zone_source=source,
        zone_is_valid=True,
        first_day=first_day,
    )
    if changed == routine:
        return routine
    return replace(changed, revision=routine.revision + 1, updated_at=now)


def _title(text: str) -> str:
    title = " ".join(text.split())
    if not 1 <= len(title) <= MAX_TITLE_LENGTH:
        msg = f"--title: give 1 to {MAX_TITLE_LENGTH} characters"
        raise ConfigError(msg)
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn") for character in title):
        msg = "--title: has characters that cannot be shown: leave them out"
        raise ConfigError(msg)
    return title


class _Rule(Struct, frozen=True, kw_only=True):
    """The parts of a rule without its end, the last local time, and the flag that gave them."""

    flag: str
    parts: RuleParts
    until: datetime | None


def _rule(
    options: RoutineOptions, first_day: date, before: Recurrence | None, unset: Sequence[Unset]
) -> _Rule:
    days = {
        "--recurrence": options.recurrence,
        "--on": options.on,
        "--day-of-month": options.day_of_month,
        "--until": options.until,
    }
    given = [flag for flag, value in days.items() if value is not None]
    if options.rrule is not None:
        if given:
            msg = f"--rrule: it has days and end itself: leave out {', '.join(given)}"
            raise ConfigError(msg)
        return _own_rule(options.rrule)
    base = friendly_options.from_rule(before.parts) if before is not None else None
    if before is not None and base is None and options.recurrence is None:
        if given or "until" in unset:
            msg = f"{(*given, '--unset')[0]}: the routine has a rule of its own: give --rrule"
            raise ConfigError(msg)
        return _Rule(flag="--rrule", parts=before.parts, until=before.until)
    until = options.until
    if until is None and before is not None and before.until is not None and "until" not in unset:
        until = before.until.date()
    return _friendly_rule(options, base, first_day, until)


def _own_rule(text: str) -> _Rule:
    try:
        parts = rule_text.parse_rule(text)
    except ValueError as error:
        msg = f"--rrule: {error}"
        raise ConfigError(msg) from None
    # An end in UTC is converted where the zone is known.
    return _Rule(flag="--rrule", parts=parts, until=None)


def _friendly_rule(
    options: RoutineOptions, base: FriendlyOptions | None, first_day: date, until: date | None
) -> _Rule:
    frequency = options.recurrence or (base.frequency if base else "once")
    on, day_of_month = options.on, options.day_of_month
    if base is not None:
        if on is None and frequency in WITH_DAYS:
            on = base.weekdays
        if day_of_month is None and frequency == "monthly":
            day_of_month = base.day_of_month
    if frequency == "once":
        if options.until is not None:
            msg = "--until: once has one session: leave it out"
            raise ConfigError(msg)
        until = None
    if until is not None and until < first_day:
        msg = f"--until: {until} is before --from {first_day}"
        raise ConfigError(msg)
    try:
        parts = friendly_options.to_rule(
            FriendlyOptions(frequency=frequency, weekdays=on or (), day_of_month=day_of_month),
            first_day,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    end = rule_text.end_of_day(until) if until is not None else None
    return _Rule(flag="--recurrence", parts=parts, until=end)


def _recurrence(
    options: RoutineOptions, rule: _Rule, first_day: date, zone: ZoneInfo
) -> Recurrence:
    parts = rule.parts
    if rule.until is not None:
        parts = rule_text.with_until(parts, rule.until, zone)
    start = datetime.combine(first_day, options.at or time())
    try:
        return recurrence.make_recurrence(parts, start, options.skip or (), zone)
    except ValueError as error:
        msg = f"{rule.flag}: {error}"
        raise ConfigError(msg) from None
