"""`chesscoach schedule`: what is kept, and what is to come."""

from datetime import datetime
from itertools import islice
from typing import Any

import click

from chesscoach.cli import formatting, invocation, schedule_edit, schedule_parsing, slots
from chesscoach.context import Context
from chesscoach.schedules import preview
from chesscoach.schedules.schedule import Slot, format_rfc3339
from chesscoach.worker.scheduler import schedule_admin, upcoming
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Schedules: what runs when, and why it did or did not.

    They are kept in the database, where the daemon lays in those of the configuration when it
    starts. What is changed here counts at once, for daemons and one-shots alike.
    """


for _command in (
    *(
        schedule_edit.add,
        schedule_edit.edit,
        schedule_edit.pause,
        schedule_edit.resume,
        schedule_edit.remove,
    ),
    *(slots.next_slots, slots.run_now, slots.explain_slot),
):
    group.add_command(_command)


@group.command("list")
@invocation.config_option
@invocation.json_option
def list_schedules(config: str | None, as_json: bool) -> None:
    """Show every schedule, its last slot and its next."""

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        found = await schedule_admin.all_schedules(ctx.worker)
        newest = await ctx.worker.runs.newest_slots()
        keys = [Slot(schedule=key, at=at).key for key, at in newest.items()]
        records = {
            record.schedule: record for record in (await ctx.worker.runs.find_many(keys)).values()
        }
        rows = []
        for each in found:
            nearest = next(upcoming.upcoming_slots(each, newest.get(each.id), ctx.now()), None)
            coming = nearest.slot.at if nearest is not None and each.is_active else None
            rows.append(_to_json(each, records.get(each.id), coming))
        if as_json:
            invocation.print_json(rows)
            return
        columns = ("id", "job", "when", "state", "last slot", "next slot")
        invocation.print_table(columns, [_cells(row) for row in rows])

    invocation.run_with_context(config, body)


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
    told = (row["id"], row["job"], row["trigger"], state, _format_last_run(row["last"]))
    return [*told, row["next"] or "none"]


def _format_last_run(last: dict[str, Any] | None) -> str:
    return f"{last['slot']} {last['outcome']}" if last else "none"


@group.command()
@click.argument("schedule_id", metavar="ID", type=schedule_parsing.parse_identifier)
@invocation.config_option
@invocation.json_option
def show(schedule_id: str, config: str | None, as_json: bool) -> None:
    """Show all of one schedule, and its next slots."""

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        stored = await schedule_admin.find_schedule(ctx.worker, schedule_id)
        last = await ctx.worker.runs.newest(schedule_id)
        due = await schedule_admin.unrecorded_slot(ctx.worker, stored)
        newest = last.slot if last is not None else None
        coming = list(islice(upcoming.upcoming_slots(stored, newest, ctx.now()), 5))
        if as_json:
            following = [formatting.upcoming_slot(each, stored.is_active) for each in coming]
            more = {
                "last": _last_run(last),
                "due": format_rfc3339(due) if due else None,
                "next": following,
            }
            invocation.print_json({**formatting.schedule_json(stored), **more})
            return
        told = [*_details(stored), *formatting.schedule_fields(stored.schedule)]
        if stored.edited and stored.configured is not None:
            told.append(("configured", "the configuration says otherwise:"))
            told += [(f"  {name}", value) for name, value in _configured_differences(stored)]
        told.append(("last slot", _format_last_run(_last_run(last))))
        told += [("due", f"{format_rfc3339(due)}, and not begun yet")] if due else []
        off = "" if stored.is_active else f" (not worked while {stored.state})"
        told += [("next slot", f"{slots.slot_line(each)}{off}") for each in coming]
        told += [
            (format_rfc3339(c.at), f"{c.what}: {c.state}, {c.trigger}") for c in stored.history
        ]
        wide = max(len(name) for name, _ in told)
        for name, value in told:
            click.echo(f"{name:<{wide}}  {value}")

    invocation.run_with_context(config, body)


def _details(stored: StoredSchedule) -> list[tuple[str, str]]:
    told = [
        ("id", stored.id),
        ("in words", preview.describe(stored.schedule)),
        ("state", stored.state + (f": {stored.quarantined}" if stored.quarantined else "")),
        ("origin", "the configuration" if stored.origin == "config" else "an operator"),
        ("revision", str(stored.revision or "none: not stored yet")),
        ("edited", "yes" if stored.edited else "no"),
        ("since", format_rfc3339(stored.effective_since)),
    ]
    return told


def _configured_differences(stored: StoredSchedule) -> list[tuple[str, str]]:
    """What the configuration says that an operator has changed."""
    if stored.configured is None:
        return []
    ours = set(formatting.schedule_fields(stored.schedule))
    return [each for each in formatting.schedule_fields(stored.configured) if each not in ours]
