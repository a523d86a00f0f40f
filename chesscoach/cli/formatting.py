"""Values as commands print them: as JSON with stable names, and as text."""

import math
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
    """A value as JSON; instants are texts in UTC."""
    return _to_json_value(msgspec.to_builtins(value, builtin_types=(datetime,), enc_hook=_to_plain))


def _to_plain(value: object) -> int | str:
    """A value of a type that only the database has."""
    return int(value) if isinstance(value, int) else str(value)


def _to_json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _to_json_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json_value(inner) for inner in value]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no NaN
    return value


def aligned(fields: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of a name and its value each, the values below one another."""
    width = max(len(name) for name, _ in fields)
    return [f"{name:<{width}}  {value}" for name, value in fields]


def schedule_json(stored: StoredSchedule) -> dict[str, Any]:
    """A stored schedule in full."""
    fields = {"id": stored.id, "state": stored.state, "stored": bool(stored.revision)}
    fields |= to_json(stored)
    del fields["unreadable"]
    words = {"trigger": stored.schedule.trigger, "words": preview.describe(stored.schedule)}
    return {**fields, **words}


def upcoming_slot(upcoming: UpcomingSlot, active: bool) -> dict[str, Any]:
    """An upcoming slot; `worked` says whether it will run."""
    return {
        "schedule": upcoming.slot.schedule,
        "slot": format_rfc3339(upcoming.slot.at),
        "local": upcoming.local.isoformat(),
        "timezone": str(upcoming.local.tzinfo),
        "begins_at": to_json(upcoming.begins_at),
        "delay_s": round((upcoming.begins_at - upcoming.slot.at).total_seconds(), 3),
        "worked": active,
        "clocks": upcoming.clocks,
        "twice": upcoming.twice,
        "moved": to_json(upcoming.moved),
        "left_out": to_json(upcoming.left_out),
    }


def run_json(record: RunRecord) -> dict[str, Any]:
    """A run record without the fields that only a claim needs."""
    fields: dict[str, Any] = to_json(record)
    for name in ("claim", "age_s"):
        del fields[name]
    if fields["cancel_requested"] is None:
        del fields["cancel_requested"]
    return fields


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """A verdict, its sentences and the record that it rests on."""
    slot, record = explanation.slot, explanation.record
    return {
        **to_json(explanation),
        "schedule": slot.schedule,
        "slot": slot.name,
        "text": " ".join(explanation.sentences),
        "record": run_json(record) if record is not None else None,
    }


def schedule_fields(schedule: Schedule) -> list[tuple[str, str]]:
    """The fields of a schedule that are set or have a default, with their values as text."""
    values = {**to_json(schedule), "every": schedule.every.text if schedule.every else None}
    if schedule.every is None:
        del values["anchor"]
    return [(name, _format_value(value)) for name, value in values.items() if value is not None]


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}={inner}" for key, inner in value.items()) or "none"
    return str(value)
