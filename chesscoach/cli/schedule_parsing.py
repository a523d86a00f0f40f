"""From the texts of a command line to values, by the same struct as the configuration's."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click
import msgspec
from msgspec.structs import fields

from chesscoach.errors import ConfigError
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.schedule import Schedule, parse_rfc3339

_TRIGGERS = ("cron", "every", "at")
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_HINTS = {
    "cron": "five fields (minute hour day month weekday), or six with seconds first, as in "
    '"30 6 * * mon-fri"',
    "timezone": "an IANA name, such as Europe/Berlin",
    "every": 'a number with each of w d h m s that it has, as in "6h" or "1w 2d"',
    "anchor": "an instant with its offset, such as 2026-01-05T00:00:00Z",
    "at": "an instant with its offset, such as 2026-12-24T18:00:00Z",
    "lock": "a-z, 0-9 and _, at most 64 characters",
    "max_instances": "a whole number from 1 to 100",
    "misfire_grace_s": "seconds, more than 0 and at most 31622400",
    "jitter_s": "seconds from 0 to 86400",
}


def parse_identifier(text: str) -> str:
    """A schedule's id."""
    if re.fullmatch(r"[a-z0-9_]{1,64}", text) is None:
        msg = f"{_quote(text)} is no id: use a-z, 0-9 and _, 1 to 64 characters"
        raise click.BadParameter(msg)
    return text


def parse_instant(text: str) -> datetime:
    """An instant in RFC 3339, as UTC."""
    try:
        return parse_rfc3339(text)
    except ValueError:
        msg = f"{_quote(text)} is no {_HINTS['at'].removeprefix('an ')}, between 1970 and 2200"
        raise click.BadParameter(msg) from None


def parse_duration(text: str) -> dict[str, int]:
    """The amounts by unit of a period such as `1w 2d`."""
    parts = re.findall(r"([0-9]{1,9}) ?([wdhms])", text)
    units = [unit for _, unit in parts]
    whole = re.fullmatch(r" *(?:[0-9]{1,9} ?[wdhms] *)+", text)
    if whole is None or len(units) != len(set(units)):
        msg = f"{_quote(text)} is no period: give {_HINTS['every']}"
        raise click.BadParameter(msg)
    return {_UNITS[unit]: int(amount) for amount, unit in parts}


def parse_schedule(
    given: Mapping[str, Any],
    arguments: Sequence[str],
    base: Schedule | None = None,
    unset: Sequence[str] = (),
) -> Schedule:
    """A schedule of what is given, or another with that changed.

    A trigger that is given takes the place of the one before; fields that are `unset` first go
    back to their defaults.

    Raises:
        click.UsageError: a value that cannot be used; the message names its option.
    """
    before = msgspec.to_builtins(base, builtin_types=(datetime,)) if base is not None else {}
    before = {key: value for key, value in before.items() if key not in unset}
    triggers = [name for name in _TRIGGERS if name in given]
    if len(triggers) > 1 or not (triggers or any(before.get(name) for name in _TRIGGERS)):
        told = (
            f"{' and '.join(map(_option_name, triggers))} are too many"
            if triggers
            else "none is given"
        )
        msg = f"--cron, --every, --at: one of them says when the job runs; {told}"
        raise click.UsageError(msg)
    if triggers:
        replaced = (*_TRIGGERS, *(() if triggers == ["every"] else ("anchor",)))
        before = {key: value for key, value in before.items() if key not in replaced}
    values = {**before, **given}
    if "anchor" in given and not values.get("every"):
        msg = "--anchor: it is for --every alone: leave it out"
        raise click.UsageError(msg)
    if "cron" in given:
        values["cron"] = " ".join(given["cron"].split())
    job = JOBS.get(values.get("job", ""))
    if job is None:
        told = _quote(values["job"]) if values.get("job") else "none is given"
        msg = f"--job: {told}: give the name of a job; there are: {', '.join(JOBS)}"
        raise click.UsageError(msg)
    values["args"] = {**values.get("args", {}), **_parse_arguments(job.args, job.name, arguments)}
    return _validate_schedule(values)


def _validate_schedule(values: Mapping[str, Any]) -> Schedule:
    try:
        return msgspec.convert(values, Schedule)
    except msgspec.ValidationError as error:
        told, _, path = str(error).partition(" - at `$")
        first = re.split(r"\W", path.lstrip(".") or told)[0]
        name = first if first in _HINTS else ""
        told = told.removeprefix(f"{name} ").removeprefix("is ").removeprefix("cannot be read: ")
        if "regex" in told:
            told = "is no identifier"
        hint = f": give {_HINTS[name]}" if name else ""
        msg = f"{_option_name(name) if name else 'schedule'}: {told[:1].lower()}{told[1:]}{hint}"
        raise click.UsageError(msg) from None


def _parse_arguments(kind: type[msgspec.Struct], job: str, pairs: Sequence[str]) -> dict[str, Any]:
    """The job's own arguments, by its own struct."""
    names = [field.name for field in fields(kind)]
    texts: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            msg = f"--arg: {_quote(pair)} has no =: give NAME=VALUE"
            raise click.UsageError(msg)
        if name in texts or name not in names:
            told = "is given twice" if name in texts else f"is no argument of {job}"
            msg = f"--arg: {_quote(name)} {told}; it has: {', '.join(names)}"
            raise click.UsageError(msg)
        texts[name] = text
    try:
        taken = JOBS[job].check(texts, strict=False)
    except ConfigError as error:
        told, _, path = str(error).removeprefix(f"{job}: ").partition(" - at `$.")
        msg = f"--arg: {path.strip('`') or job}: {told[:1].lower()}{told[1:]}"
        raise click.UsageError(msg) from None
    return {name: msgspec.to_builtins(getattr(taken, name)) for name in texts}


def _option_name(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _quote(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
