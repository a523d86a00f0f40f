"""Values as commands print them: as JSON with stable names, and as words."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from chesscoach.schedules import preview
from chesscoach.schedules.preview import UpcomingSlot
from chesscoach.schedules.schedule import Schedule, format_rfc3339
from chesscoach.worker.scheduler.explanation import Explanation
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule


def to_json(value: object) -> Any:
    """A value of JSON; instants are texts in UTC."""
    return _to_json_value(msgspec.to_builtins(value, builtin_types=(datetime,)))


def _to_json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _to_json_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json_value(inner) for inner in value]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


def aligned(fields: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of a name and its value each, the values below one another."""
    width = max(len(name) for name, _ in fields)
    return [f"{name:<{width}}  {value}" for name, value in fields]


def schedule_json(stored: StoredSchedule) -> dict[str, Any]:
    """A stored schedule, whole."""
    fields = {"id": stored.id, "state": stored.state, "stored": bool(stored.revision)}
    fields |= to_json(stored)
    del fields["unreadable"]
    words = {"trigger": stored.schedule.trigger, "words": preview.describe(stored.schedule)}
    return {**fields, **words}


def upcoming_slot(each: UpcomingSlot, active: bool) -> dict[str, Any]:
    """A slot that is to come; `worked` tells whether it will be."""
    return {
        "schedule": each.slot.schedule,
        "slot": format_rfc3339(each.slot.at),
        "local": each.local.isoformat(),
        "timezone": str(each.local.tzinfo),
        "begins_at": to_json(each.begins_at),
        "delay_s": round((each.begins_at - each.slot.at).total_seconds(), 3),
        "worked": active,
        "clocks": each.clocks,
        "twice": each.twice,
        "moved": to_json(each.moved),
        "left_out": to_json(each.left_out),
    }


def slot_notes(each: UpcomingSlot) -> str:
    """What is to be known of a slot that is to come."""
    told = []
    if each.begins_at > each.slot.at:
        told.append(f"begins {(each.begins_at - each.slot.at).total_seconds():.0f} s later")
    if each.clocks is not None:
        told.append(f"clocks go {each.clocks} that day")
    if each.moved:
        told.append(f"moved: stands for {_join_times(each.moved)}, which never comes")
    if each.left_out:
        told.append(f"skipped before it: {_join_times(each.left_out)}, which never comes")
    if each.twice == "once":
        told.append("comes twice, the first counts")
    elif each.twice is not None:
        told.append(f"doubled: the {each.twice} of two passes")
    return "; ".join(told)


def _join_times(found: tuple[datetime, ...]) -> str:
    first = f"{found[0]:%Y-%m-%d %H:%M}"
    if len(found) <= 3:
        return " and ".join([first, *(f"{local:%H:%M}" for local in found[1:])])
    return f"{first} to {found[-1]:%H:%M} ({len(found)} times)"


def run_json(record: RunRecord) -> dict[str, Any]:
    """A run's record, whole, without what only a claim needs."""
    fields: dict[str, Any] = to_json(record)
    for name in ("claim", "age_s"):
        del fields[name]
    return fields


def explanation_json(found: Explanation) -> dict[str, Any]:
    """A verdict and what it rests on."""
    fields: dict[str, Any] = to_json(found)
    fields |= {"schedule": found.slot.schedule, "slot": found.slot.name}
    fields["text"] = " ".join(found.sentences)
    fields["record"] = run_json(found.record) if found.record is not None else None
    return fields


def schedule_fields(found: Schedule) -> list[tuple[str, str]]:
    """The fields that are set or have a default, and their values in words."""
    values = {**to_json(found), "every": found.every.text if found.every else None}
    aside = {"anchor"} if found.every is None else set[str]()
    return [
        (name, _format_value(value))
        for name, value in values.items()
        if value is not None and name not in aside
    ]


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}={inner}" for key, inner in value.items()) or "none"
    return str(value)
