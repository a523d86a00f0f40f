"""`chesscoach schedules add`, `edit`, `pause`, `resume` and `remove`."""

from collections.abc import Iterator
from typing import Any

import click
from msgspec.structs import replace

from chesscoach.cli import formatting, invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.options import config_option, json_option
from chesscoach.cli.schedules import options
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules import preview
from chesscoach.schedules.preview import SlotDiff
from chesscoach.schedules.schedule import Schedule, format_rfc3339
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.store.schedules import StoredSchedule

_SLOT_DISPLAY_LIMIT = 10

_id_argument = click.argument("schedule_id", metavar="ID", type=options.parse_identifier)
_revision_option = click.option(
    "--revision", type=int, metavar="N", help="Only if the schedule still has this revision."
)


@click.command()
@_id_argument
@options.field_options
@config_option
@json_option
def add(
    schedule_id: str, arguments: tuple[str, ...], config: str | None, as_json: bool, **fields: Any
) -> None:
    """Create a schedule of your own; it takes effect now.

    It needs --job and one trigger: --cron, --every or --at.
    """
    schedule = options.parse_schedule(_given_options(fields), arguments)

    async def body(ctx: Context) -> Output:
        stored = await schedule_admin.add_schedule(ctx.worker, JOBS, schedule_id, schedule)
        return Output(
            data=formatting.schedule_json(stored),
            text=[f"added {schedule_id}: {preview.describe(schedule)}"],
        )

    invocation.run_command(config, as_json, body)


@click.command()
@_id_argument
@options.field_options
@options.unset_option
@_revision_option
@config_option
@json_option
def edit(
    schedule_id: str,
    arguments: tuple[str, ...],
    unset: tuple[str, ...],
    revision: int | None,
    config: str | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """Change a schedule, and show how its slots change.

    A new trigger replaces the old one. A slot that is due stays due; slots of the new trigger count
    from now on. A schedule of the configuration keeps the change until you edit it back.
    """
    given = _given_options(fields)
    if not (given or arguments or unset):
        raise click.UsageError("there is nothing to change: give an option")

    async def body(ctx: Context) -> Output:
        old = await _load_schedule(ctx, schedule_id, revision)
        base = None if old.unreadable else old.schedule
        schedule = options.parse_schedule(given, arguments, base, unset)
        same = schedule == base and old.quarantined is None
        new = old if same else await schedule_admin.edit_schedule(ctx.worker, JOBS, old, schedule)
        change = preview.slot_diff(_effective_schedule(old), _effective_schedule(new), ctx.now())
        return Output(
            data={**formatting.schedule_json(new), "change": change},
            text=[f"{schedule_id} is so already"] if same else list(_change_lines(new, change)),
        )

    invocation.run_command(config, as_json, body)


def _effective_schedule(stored: StoredSchedule) -> Schedule | None:
    """What the slots of a schedule depend on, whether paused or not; None if it is not active."""
    return stored.schedule if replace(stored, paused=False).is_active else None


def _change_lines(stored: StoredSchedule, change: SlotDiff) -> Iterator[str]:
    yield f"edited {stored.id}, revision {stored.revision}: {preview.describe(stored.schedule)}"
    for what, slots in (("dropped", change.dropped), ("added", change.added)):
        named = ", ".join(format_rfc3339(at) for at in slots[:_SLOT_DISPLAY_LIMIT]) or "no slot"
        more = len(slots) - _SLOT_DISPLAY_LIMIT
        more_text = f" and {more} more" if more > 0 else ""
        yield f"{what} until {format_rfc3339(change.until)}: {named}{more_text}"
    if stored.pending_slot is not None:
        yield f"still due: {format_rfc3339(stored.pending_slot)}"
    if not stored.is_active:
        yield f"{stored.id} is {stored.state}: these slots do not run"


@click.command()
@_id_argument
@_revision_option
@click.option("--reason", metavar="TEXT", help="Why; it is shown with the schedule.")
@invocation.database_command
async def pause(ctx: Context, schedule_id: str, revision: int | None, reason: str | None) -> Output:
    """Run no further slots of a schedule.

    A run in progress continues. Slots that fall due during the pause never run.
    """
    old = await _load_schedule(ctx, schedule_id, revision)
    return _state_change(
        old, await schedule_admin.pause_schedule(ctx.worker, old, reason), "is paused"
    )


@click.command()
@_id_argument
@_revision_option
@invocation.database_command
async def resume(ctx: Context, schedule_id: str, revision: int | None) -> Output:
    """Resume a paused schedule, from now on."""
    old = await _load_schedule(ctx, schedule_id, revision)
    new = await schedule_admin.resume_schedule(ctx.worker, old)
    return _state_change(old, new, "is not paused")


def _state_change(old: StoredSchedule, new: StoredSchedule, change: str) -> Output:
    already = " already" if new == old else ""
    return Output(
        data=formatting.schedule_json(new),
        text=[f"{new.id} {change}{already} (state: {new.state})"],
    )


@click.command()
@_id_argument
@_revision_option
@invocation.database_command
async def remove(ctx: Context, schedule_id: str, revision: int | None) -> Output:
    """Delete a schedule of your own, or a retired one; run records stay.

    To remove a schedule of the configuration, remove it there.
    """
    stored = await _load_schedule(ctx, schedule_id, revision)
    await schedule_admin.remove_schedule(ctx.worker, stored)
    return Output(data={"removed": schedule_id}, text=[f"removed {schedule_id}"])


async def _load_schedule(ctx: Context, schedule_id: str, revision: int | None) -> StoredSchedule:
    stored = await schedule_admin.find_schedule(ctx.worker, schedule_id)
    if revision is not None and revision != stored.revision:
        msg = f"--revision: {schedule_id} has changed since, to revision {stored.revision}: "
        msg += f"see `chesscoach schedules show {schedule_id}`"
        raise ConfigError(msg)
    return stored


def _given_options(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
