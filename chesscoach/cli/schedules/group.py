"""`chesscoach schedules`: the schedules and their next slots."""

from datetime import datetime
from itertools import islice
from typing import Any

import click

from chesscoach.cli import formatting, invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.schedules import edit, options, slots
from chesscoach.context import Context
from chesscoach.schedules import preview
from chesscoach.schedules.schedule import Slot, format_rfc3339
from chesscoach.worker.scheduler import schedule_admin, upcoming
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Schedules: show and change when jobs run, and explain why a slot ran or did not.

    The database keeps the schedules. When the daemon starts, it stores those of the configuration
    there. A change here takes effect at once, for daemons and one-shots alike.
    """


for _command in (
    *(
        edit.add,
        edit.edit,
        edit.pause,
        edit.resume,
        edit.remove,
    ),
    *(slots.next_slots, slots.run_now, slots.explain_slot),
):
    group.add_command(_command)


@group.command("list")
@invocation.database_command
async def list_schedules(ctx: Context) -> Output:
    """Show every schedule, its last slot and its next."""
    newest = await ctx.worker.runs.newest_slots()
    keys = [Slot(schedule=key, at=at).key for key, at in newest.items()]
    records = {
        record.schedule: record for record in (await ctx.worker.runs.find_many(keys)).values()
    }
    rows = []
    for stored in await schedule_admin.all_schedules(ctx.worker):
        nearest = next(upcoming.upcoming_slots(stored, newest.get(stored.id), ctx.now()), None)
        coming = nearest.slot.at if nearest is not None and stored.is_active else None
        rows.append(_to_json(stored, records.get(stored.id), coming))
    columns = ("id", "job", "when", "state", "last slot", "next slot")
    return Output(data=rows, text=[invocation.table(columns, [_cells(row) for row in rows])])


def _to_json(
    stored: StoredSchedule, last: RunRecord | None, coming: datetime | None
) -> dict[str, Any]:
    return {
        "id": stored.id,
        "job": stored.schedule.job,
        "trigger": stored.schedule.trigger,
        "state": stored.state,
        "stored": bool(stored.revision),
        "origin": stored.origin,
        "edited": stored.edited,
        "last": _last_run(last),
        "next": format_rfc3339(coming) if coming is not None else None,
    }


def _last_run(record: RunRecord | None) -> dict[str, Any] | None:
    if record is None or record.slot is None:
        return None
    return {"run_id": record.id, "slot": format_rfc3339(record.slot), "outcome": record.outcome}


def _cells(row: dict[str, Any]) -> list[str]:
    state = row["state"] + ("" if row["stored"] else ", not stored yet")
    state += ", edited" if row["edited"] else ""
    last = _format_last_run(row["last"])
    return [row["id"], row["job"], row["trigger"], state, last, row["next"] or "none"]


def _format_last_run(last: dict[str, Any] | None) -> str:
    return f"{last['slot']} {last['outcome']}" if last else "none"


@group.command()
@click.argument("schedule_id", metavar="ID", type=options.parse_identifier)
@invocation.database_command
async def show(ctx: Context, schedule_id: str) -> Output:
    """Show one schedule in full, and its next slots."""
    stored = await schedule_admin.find_schedule(ctx.worker, schedule_id)
    last = await ctx.worker.runs.newest(schedule_id)
    due = await schedule_admin.unrecorded_slot(ctx.worker, stored)
    newest = last.slot if last is not None else None
    coming = list(islice(upcoming.upcoming_slots(stored, newest, ctx.now()), 5))
    lines = [*_details(stored), *formatting.schedule_fields(stored.schedule)]
    if stored.edited and stored.configured is not None:
        lines.append(("configured", "the configuration says otherwise:"))
        lines += [(f"  {name}", value) for name, value in _configured_differences(stored)]
    lines.append(("last slot", _format_last_run(_last_run(last))))
    lines += [("due", f"{format_rfc3339(due)}, not begun yet")] if due else []
    off = "" if stored.is_active else f" (skipped while {stored.state})"
    lines += [("next slot", f"{slots.slot_line(slot)}{off}") for slot in coming]
    lines += [(format_rfc3339(c.at), f"{c.what}: {c.state}, {c.trigger}") for c in stored.history]
    return Output(
        data={
            **formatting.schedule_json(stored),
            "last": _last_run(last),
            "due": format_rfc3339(due) if due else None,
            "next": [formatting.upcoming_slot(slot, stored.is_active) for slot in coming],
        },
        text=formatting.aligned(lines),
    )


def _details(stored: StoredSchedule) -> list[tuple[str, str]]:
    return [
        ("id", stored.id),
        ("in words", preview.describe(stored.schedule)),
        ("state", stored.state + (f": {why}" if (why := stored.reason) else "")),
        ("origin", "the configuration" if stored.origin == "config" else "an operator"),
        ("revision", str(stored.revision or "none: not stored yet")),
        ("edited", "yes" if stored.edited else "no"),
        ("since", format_rfc3339(stored.effective_since)),
    ]


def _configured_differences(stored: StoredSchedule) -> list[tuple[str, str]]:
    """What the configuration says that an operator has changed."""
    if stored.configured is None:
        return []
    stored_fields = set(formatting.schedule_fields(stored.schedule))
    configured_fields = formatting.schedule_fields(stored.configured)
    return [field for field in configured_fields if field not in stored_fields]
