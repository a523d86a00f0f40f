"""A schedule from the fields of a request or a form; what cannot be used is named by its field."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import fields

from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.schedule import Schedule
from chesscoach.web.problems import FieldError, Problem, invalid

_TRIGGERS = ("cron", "every", "at")
_ALIASES = {"interval": "every", "date": "at"}
"""The triggers by the names that APScheduler has for them."""

_FIELDS = tuple(field.name for field in fields(Schedule))


def parse_schedule(
    given: Mapping[str, Any], base: Schedule | None = None, *, strict: bool = True
) -> Schedule:
    """The schedule with these fields, or `base` with these changed.

    A given trigger replaces the one of `base`; None resets a field to its default. With
    `strict=False` values may be texts, as in a form; empty ones count as None.

    Raises:
        Problem: a field cannot be used (422); `errors` names it.
    """
    values = {_ALIASES.get(name, name): value for name, value in given.items()}
    if not strict:
        values = {name: None if value == "" else value for name, value in values.items()}
    before = msgspec.to_builtins(base, builtin_types=(datetime,)) if base is not None else {}
    triggers = [name for name in _TRIGGERS if values.get(name) is not None]
    if triggers:
        before = {name: value for name, value in before.items() if name not in _TRIGGERS}
        if triggers != ["every"]:
            before.pop("anchor", None)
    values = {**before, **values}
    values = {name: value for name, value in values.items() if value is not None}
    if isinstance(values.get("cron"), str):
        values["cron"] = " ".join(values["cron"].split())
    with names_as_given(given):
        try:
            schedule = msgspec.convert(values, Schedule, strict=strict)
        except msgspec.ValidationError as error:
            raise field_problem(str(error), _FIELDS) from None
    job = JOBS.get(schedule.job)
    if job is None:
        raise invalid("job", f"there is no job of this name; there are {', '.join(JOBS)}")
    try:
        msgspec.convert(schedule.args, job.args)
    except msgspec.ValidationError as error:
        names = tuple(field.name for field in fields(job.args))
        raise field_problem(str(error), names, "args") from None
    return schedule


@contextmanager
def names_as_given(given: Mapping[str, Any]) -> Iterator[None]:
    """Names a trigger that cannot be used as the request names it."""
    try:
        yield
    except Problem as problem:
        for error in problem.errors:
            first, dot, rest = error.field.partition(".")
            for alias, name in _ALIASES.items():
                if name == first and given.get(alias) is not None:
                    raise invalid(f"{alias}{dot}{rest}", error.detail) from None
        raise


def field_problem(message: str, names: tuple[str, ...], prefix: str = "") -> Problem:
    """The problem for an error of msgspec, which names its field at the end or the beginning."""
    reason, _, path = message.partition(" - at `$")
    field = path.strip("`.").replace("[...]", "")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", reason):
        field, reason = f"{field}.{unknown[1]}".strip("."), "there is no such field"
    elif missing := re.fullmatch(r"Object missing required field `(.*)`", reason):
        field, reason = f"{field}.{missing[1]}".strip("."), "it is required"
    elif not field:
        first = [word for word in re.split(r"\W+", reason) if word in names]
        field = first[0] if first else ""
    name = ".".join(filter(None, (prefix, field))) or "body"
    detail = f"{reason[:1].lower()}{reason[1:]}"
    return Problem(422, f"{name}: {detail}", errors=(FieldError(field=name, detail=detail),))
