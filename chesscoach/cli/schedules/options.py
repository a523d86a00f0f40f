"""The options of `schedules add` and `edit`, and the schedule that they give."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, get_args, get_type_hints

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
    """The id of a schedule."""
    if re.fullmatch(r"[a-z0-9_]{1,64}", text) is None:
        msg = f"{_quote(text)} is not an id: use a-z, 0-9 and _, 1 to 64 characters"
        raise click.BadParameter(msg)
    return text


def parse_instant(text: str) -> datetime:
    """An instant in RFC 3339, as UTC."""
    try:
        return parse_rfc3339(text)
    except ValueError:
        msg = f"{_quote(text)} is not {_HINTS['at']}, between 1970 and 2200"
        raise click.BadParameter(msg) from None


def parse_duration(text: str) -> dict[str, int]:
    """The amount of each unit of a period such as `1w 2d`."""
    parts = re.findall(r"([0-9]{1,9}) ?([wdhms])", text)
    units = [unit for _, unit in parts]
    whole = re.fullmatch(r" *(?:[0-9]{1,9} ?[wdhms] *)+", text)
    if whole is None or len(units) != len(set(units)):
        msg = f"{_quote(text)} is not a period: give {_HINTS['every']}"
        raise click.BadParameter(msg)
    return {_UNITS[unit]: int(amount) for amount, unit in parts}


_OVERLAPS = get_args(get_type_hints(Schedule)["overlap"])

_OPTIONS = (
    click.option("--job", metavar="NAME", help="Job to run."),
    click.option("--cron", metavar="EXPR", help="Trigger: five fields, or six with seconds first."),
    click.option(
        "--every",
        type=parse_duration,
        metavar="PERIOD",
        help='Trigger: elapsed time, such as "6h" or "1w 2d".',
    ),
    click.option(
        "--at",
        type=parse_instant,
        metavar="INSTANT",
        help="Trigger: once, such as 2026-12-24T18:00:00Z.",
    ),
    click.option(
        "--timezone",
        metavar="ZONE",
        help="Time zone of --cron, such as Europe/Berlin (default: UTC).",
    ),
    click.option(
        "--anchor", type=parse_instant, metavar="INSTANT", help="Start of the first --every period."
    ),
    click.option(
        "--enabled/--disabled", default=None, help="Whether the slots run (default: they do)."
    ),
    click.option("--lock", metavar="NAME", help="Lease that a run needs (default: the job's)."),
    click.option(
        "--max-instances",
        type=int,
        metavar="N",
        help="Number of runs that may hold the lock at a time (default: 1).",
    ),
    click.option(
        "--overlap",
        type=click.Choice(_OVERLAPS),
        help="Skip a slot that finds the lock held, or queue one (default: skip).",
    ),
    click.option(
        "--coalesce/--no-coalesce",
        default=None,
        help="After downtime, run only the latest slot, or each (default: the latest).",
    ),
    click.option(
        "--misfire-grace-s",
        type=float,
        metavar="S",
        help="Seconds after which a late slot is missed (default: none).",
    ),
    click.option(
        "--jitter-s",
        type=float,
        metavar="S",
        help="Maximum delay of a start in seconds (default: 0).",
    ),
    click.option(
        "--arg", "arguments", multiple=True, metavar="NAME=VALUE", help="Argument of the job."
    ),
)


def field_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds an option for each field of a schedule to a command; the default of each is None."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


unset_option = click.option(
    "--unset",
    multiple=True,
    type=click.Choice([field.name for field in fields(Schedule) if not field.required]),
    help="Reset a field to its default; args is all arguments.",
)


def parse_schedule(
    given: Mapping[str, Any],
    arguments: Sequence[str],
    base: Schedule | None = None,
    unset: Sequence[str] = (),
) -> Schedule:
    """The schedule that the options give, or `base` with these changes.

    A given trigger replaces the one of `base`. Fields in `unset` first get their defaults.

    Raises:
        click.UsageError: a value cannot be used; the message names its option.
    """
    before = msgspec.to_builtins(base, builtin_types=(datetime,)) if base is not None else {}
    before = {key: value for key, value in before.items() if key not in unset}
    triggers = [name for name in _TRIGGERS if name in given]
    if len(triggers) > 1 or not (triggers or any(before.get(name) for name in _TRIGGERS)):
        given_names = " and ".join(map(_option_name, triggers)) or "none"
        msg = f"--cron, --every, --at: give one of them; given: {given_names}"
        raise click.UsageError(msg)
    if triggers:
        replaced = (*_TRIGGERS, *(() if triggers == ["every"] else ("anchor",)))
        before = {key: value for key, value in before.items() if key not in replaced}
    values = {**before, **given}
    if "anchor" in given and not values.get("every"):
        msg = "--anchor: only --every has one: leave it out"
        raise click.UsageError(msg)
    if "cron" in given:
        values["cron"] = " ".join(given["cron"].split())
    job = JOBS.get(values.get("job", ""))
    if job is None:
        given_job = _quote(values["job"]) if values.get("job") else "none given"
        msg = f"--job: {given_job}: give one of {', '.join(JOBS)}"
        raise click.UsageError(msg)
    values["args"] = {**values.get("args", {}), **_parse_arguments(job.args, job.name, arguments)}
    return _validate_schedule(values)


def _validate_schedule(values: Mapping[str, Any]) -> Schedule:
    try:
        return msgspec.convert(values, Schedule)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        first = re.split(r"\W", path.lstrip(".") or reason)[0]
        name = first if first in _HINTS else ""
        for prefix in (f"{name} ", "is ", "cannot be read: "):
            reason = reason.removeprefix(prefix)
        if "regex" in reason:
            reason = "not an identifier"
        hint = f": give {_HINTS[name]}" if name else ""
        msg = (
            f"{_option_name(name) if name else 'schedule'}: {reason[:1].lower()}{reason[1:]}{hint}"
        )
        raise click.UsageError(msg) from None


def _parse_arguments(kind: type[msgspec.Struct], job: str, pairs: Sequence[str]) -> dict[str, Any]:
    """The job's arguments, checked by its struct."""
    names = [field.name for field in fields(kind)]
    texts: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            msg = f"--arg: {_quote(pair)} has no =: give NAME=VALUE"
            raise click.UsageError(msg)
        if name in texts or name not in names:
            reason = "is given twice" if name in texts else f"is not an argument of {job}"
            msg = f"--arg: {_quote(name)} {reason}; give each of {', '.join(names)} at most once"
            raise click.UsageError(msg)
        texts[name] = text
    try:
        args = JOBS[job].check(texts, strict=False)
    except ConfigError as error:
        msg = f"--arg: {str(error).removeprefix(f'{job}: ')}"
        raise click.UsageError(msg) from None
    return {name: msgspec.to_builtins(getattr(args, name)) for name in texts}


def _option_name(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _quote(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
