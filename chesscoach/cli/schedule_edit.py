"""`chesscoach schedules add`, `edit`, `pause`, `resume` and `remove`."""

from collections.abc import Awaitable, Callable
from typing import Any

import click
from msgspec.structs import replace

from chesscoach.cli import formatting, invocation, schedule_parsing
from chesscoach.cli.schedule_options import schedule_options, unset_option
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules import preview
from chesscoach.schedules.preview import SlotDiff
from chesscoach.schedules.schedule import Schedule, format_rfc3339
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker

_SLOT_DISPLAY_LIMIT = 10

_id_argument = click.argument("schedule_id", metavar="ID", type=schedule_parsing.parse_identifier)
_revision_option = click.option(
    "--revision", type=int, metavar="N", help="Only if nobody has changed it since that revision."
)


@click.command()
@_id_argument
@schedule_options
@invocation.config_option
@invocation.json_option
def add(
    schedule_id: str, arguments: tuple[str, ...], config: str | None, as_json: bool, **fields: Any
) -> None:
    """Make a schedule of your own; it counts from now on.

    It takes --job and one trigger: --cron, --every or --at.
    """
    schedule = schedule_parsing.parse_schedule(_given_options(fields), arguments)

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        stored = await schedule_admin.add_schedule(ctx.worker, JOBS, schedule_id, schedule)
        if as_json:
            invocation.print_json(formatting.schedule_json(stored))
        else:
            click.echo(f"added {schedule_id}: {preview.describe(schedule)}")

    invocation.run_with_context(config, body)


@click.command()
@_id_argument
@schedule_options
@unset_option
@_revision_option
@invocation.config_option
@invocation.json_option
def edit(
    schedule_id: str,
    arguments: tuple[str, ...],
    unset: tuple[str, ...],
    revision: int | None,
    config: str | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """Change a schedule, and show what that does to its slots.

    A trigger takes the place of the one before. What is due stays due; slots of the new trigger
    count from now on. One of the configuration's keeps the change until it is edited back.
    """
    given = _given_options(fields)
    if not (given or arguments or unset):
        raise click.UsageError("there is nothing to change: give an option")

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        old = await _load_schedule(ctx, schedule_id, revision)
        base = None if old.unreadable else old.schedule
        schedule = schedule_parsing.parse_schedule(given, arguments, base, unset)
        same = schedule == base and old.quarantined is None
        new = old if same else await schedule_admin.edit_schedule(ctx.worker, JOBS, old, schedule)
        change = preview.slot_diff(_effective_schedule(old), _effective_schedule(new), ctx.now())
        if as_json:
            invocation.print_json(
                {**formatting.schedule_json(new), "change": formatting.to_json(change)}
            )
        elif same:
            click.echo(f"{schedule_id} is so already")
        else:
            _print_change(new, change)

    invocation.run_with_context(config, body)


def _effective_schedule(stored: StoredSchedule) -> Schedule | None:
    """What counts for its slots; that it is paused is left out of account."""
    return stored.schedule if replace(stored, paused=False).is_active else None


def _print_change(stored: StoredSchedule, change: SlotDiff) -> None:
    click.echo(
        f"edited {stored.id}, revision {stored.revision}: {preview.describe(stored.schedule)}"
    )
    for what, found in (("dropped", change.dropped), ("added", change.added)):
        more = (
            f" and {len(found) - _SLOT_DISPLAY_LIMIT} more"
            if len(found) > _SLOT_DISPLAY_LIMIT
            else ""
        )
        named = ", ".join(format_rfc3339(at) for at in found[:_SLOT_DISPLAY_LIMIT]) or "no slot"
        click.echo(f"{what} until {format_rfc3339(change.until)}: {named}{more}")
    if stored.pending_slot is not None:
        click.echo(f"still due: {format_rfc3339(stored.pending_slot)}")
    if not stored.is_active:
        click.echo(f"it is {stored.state}: none of them is worked")


@click.command()
@_id_argument
@_revision_option
@invocation.config_option
@invocation.json_option
def pause(schedule_id: str, revision: int | None, config: str | None, as_json: bool) -> None:
    """Work no further slots of a schedule.

    What runs goes on. Slots of the pause are not worked after it.
    """
    _set_paused(schedule_admin.pause_schedule, "is paused", schedule_id, revision, config, as_json)


@click.command()
@_id_argument
@_revision_option
@invocation.config_option
@invocation.json_option
def resume(schedule_id: str, revision: int | None, config: str | None, as_json: bool) -> None:
    """Go on with a schedule that is paused, from now on."""
    _set_paused(
        schedule_admin.resume_schedule, "is no more paused", schedule_id, revision, config, as_json
    )


def _set_paused(
    change: Callable[[Worker, StoredSchedule], Awaitable[StoredSchedule]],
    told: str,
    schedule_id: str,
    revision: int | None,
    config: str | None,
    as_json: bool,
) -> None:
    async def body(ctx: Context, _: ShutdownRequest) -> None:
        old = await _load_schedule(ctx, schedule_id, revision)
        new = await change(ctx.worker, old)
        if as_json:
            invocation.print_json(formatting.schedule_json(new))
        else:
            already = " already" if new == old else ""
            click.echo(f"{schedule_id} {told}{already} (state: {new.state})")

    invocation.run_with_context(config, body)


@click.command()
@_id_argument
@_revision_option
@invocation.config_option
@invocation.json_option
def remove(schedule_id: str, revision: int | None, config: str | None, as_json: bool) -> None:
    """Delete a schedule of your own.

    Or one that is retired; one of the configuration's is taken out there. Run records stay.
    """

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        stored = await _load_schedule(ctx, schedule_id, revision)
        await schedule_admin.remove_schedule(ctx.worker, stored)
        if as_json:
            invocation.print_json({"removed": schedule_id})
        else:
            click.echo(f"removed {schedule_id}")

    invocation.run_with_context(config, body)


async def _load_schedule(ctx: Context, schedule_id: str, revision: int | None) -> StoredSchedule:
    stored = await schedule_admin.find_schedule(ctx.worker, schedule_id)
    if revision is not None and revision != stored.revision:
        msg = f"--revision: somebody has changed {schedule_id} meanwhile, it is at "
        msg += f"{stored.revision}: look at it again"
        raise ConfigError(msg)
    return stored


def _given_options(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
