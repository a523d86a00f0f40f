"""The form of a schedule: the texts of its fields, and the schedule that they give."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from chesscoach.errors import ConfigError
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules import preview
from chesscoach.schedules.preview import UpcomingSlot
from chesscoach.schedules.schedule import Schedule, format_rfc3339, parse_rfc3339
from chesscoach.worker.job import Job

OVERLAPS = get_args(get_type_hints(Schedule)["overlap"])
SUBMITTED = "form"
"""A hidden field: a form without a checked box is one, too."""

_PREVIEW_LENGTH = 10
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_TEXTS = ("job", "cron", "timezone", "lock", "overlap")
_NUMBERS = {"max_instances": int, "misfire_grace_s": float, "jitter_s": float}
_INSTANTS = ("anchor", "at")
_CHECKBOXES = ("enabled", "coalesce")
_ID_PATTERN = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)


class ParsedForm(Struct, frozen=True, kw_only=True):
    """A parsed form: its texts, and a schedule or the errors by field (`""`: the whole form)."""

    texts: dict[str, str]
    schedule: Schedule | None = None
    errors: dict[str, str] = {}


def form_texts(schedule: Schedule) -> dict[str, str]:
    """The texts of a schedule's fields, as its form shows them."""
    texts = {name: str(getattr(schedule, name) or "") for name in _TEXTS}
    texts |= {name: _plain_number(getattr(schedule, name)) for name in _NUMBERS}
    texts |= {name: "on" if getattr(schedule, name) else "" for name in _CHECKBOXES}
    texts["every"] = schedule.every.text if schedule.every is not None else ""
    texts["anchor"] = format_rfc3339(schedule.anchor) if schedule.every is not None else ""
    texts["at"] = format_rfc3339(schedule.at) if schedule.at is not None else ""
    texts["args"] = msgspec.json.encode(schedule.args).decode() if schedule.args else ""
    return texts


def empty_texts() -> dict[str, str]:
    """The texts of a form for a new schedule."""
    return form_texts(Schedule(job="", cron="0 6 * * *")) | {"job": "", "cron": ""}


def parse_form(given: Mapping[str, str]) -> ParsedForm:
    """The schedule that a submitted form gives."""
    texts = {name: given.get(name, "").strip() for name in empty_texts()}
    values: dict[str, Any] = {name: texts[name] for name in _TEXTS if texts[name]}
    values |= {name: bool(texts[name]) for name in _CHECKBOXES}
    errors: dict[str, str] = {}
    for name in (*_NUMBERS, *_INSTANTS, "every", "args"):
        if texts[name]:
            try:
                values[name] = _parse(name, texts[name])
            except (ValueError, msgspec.MsgspecError) as error:
                errors[name] = _sentence(str(error))
    if "cron" in values:
        values["cron"] = " ".join(texts["cron"].split())
    if texts["anchor"] and not texts["every"]:
        errors.setdefault("anchor", "Only “every” has an anchor.")
    if texts["job"] not in JOBS:
        errors["job"] = f"There is no such job; there are {', '.join(JOBS)}."
    if errors:
        return ParsedForm(texts=texts, errors=errors)
    return _convert(texts, values)


def parse_new(given: Mapping[str, str]) -> ParsedForm:
    """The same for a new schedule, whose form has its id, too."""
    form = parse_form(given)
    if _ID_PATTERN.fullmatch(given.get("id", "").strip()):
        return form
    errors = {"id": "Use a-z, 0-9 and _, 1 to 64 characters.", **form.errors}
    return ParsedForm(texts=form.texts, errors=errors)


def next_dates(schedule_id: str, schedule: Schedule, now: datetime) -> list[UpcomingSlot]:
    """The next ten slots of a schedule."""
    return list(islice(preview.upcoming_slots(schedule_id, schedule, now), _PREVIEW_LENGTH))


def argument_help(job: Job) -> Iterator[str]:
    """A line for each argument of a job: its name, its type, its default and what it means."""
    properties = msgspec.json.schema_components([job.args])[1][job.args.__name__]["properties"]
    for field in fields(job.args):
        described = properties[field.encode_name]
        kinds = [_kind(kind) for kind in described.get("anyOf", [described])]
        default = (
            "" if field.required else f", default {msgspec.json.encode(field.default).decode()}"
        )
        yield (
            f"{field.encode_name} ({' or '.join(kinds)}{default}): "
            f"{described.get('description', '')}"
        )


def _kind(schema: dict[str, Any]) -> str:
    """The type of a schema in words, or the values that it allows."""
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"] if value is not None)
    return str(schema.get("type", "any"))


def _convert(texts: dict[str, str], values: dict[str, Any]) -> ParsedForm:
    try:
        schedule = msgspec.convert(values, Schedule)
        JOBS[schedule.job].check(schedule.args)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        named = [name for name in texts if re.search(rf"\b{name}\b", path or reason.split()[0])]
        return ParsedForm(texts=texts, errors={named[0] if named else "": _sentence(reason)})
    except ConfigError as error:
        return ParsedForm(texts=texts, errors={"args": _sentence(str(error))})
    return ParsedForm(texts=texts, schedule=schedule)


def _parse(name: str, text: str) -> Any:
    if name in _INSTANTS:
        try:
            return parse_rfc3339(text)
        except ValueError:
            msg = "give an instant with its offset, such as 2026-12-24T18:00:00Z"
            raise ValueError(msg) from None
    if name == "every":
        return _parse_period(text)
    if name == "args":
        return msgspec.json.decode(text, type=dict[str, Any])
    try:
        return _NUMBERS[name](text)
    except ValueError:
        msg = "give a number" if _NUMBERS[name] is float else "give a whole number"
        raise ValueError(msg) from None


def _parse_period(text: str) -> dict[str, int]:
    parts = re.findall(r"([0-9]{1,9}) ?([wdhms])", text)
    whole = re.fullmatch(r" *(?:[0-9]{1,9} ?[wdhms] *)+", text)
    if whole is None or len(parts) != len({unit for _, unit in parts}):
        msg = "give a number with each of w, d, h, m and s, such as 6h or 1w 2d"
        raise ValueError(msg)
    return {_UNITS[unit]: int(amount) for amount, unit in parts}


def _plain_number(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if value < 1e6 else str(value)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."
