"""`chesscoach schedule add`, `edit`, `pause`, `resume` and `remove`."""

from collections.abc import Awaitable, Callable
from typing import Any

import click
from msgspec.structs import replace

from chesscoach.cli import formatting, invocation, schedule_parsing
from chesscoach.cli.schedule_options import schedule_options, unset_option
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.schedules import preview
from chesscoach.schedules.preview import Difference
from chesscoach.schedules.schedule import Schedule, utc
from chesscoach.worker.job import Stop
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.store.schedules import Stored

_SHOWN = 10

_id_argument = click.argument("schedule_id", metavar="ID", type=schedule_parsing.identifier)
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
    schedule = schedule_parsing.schedule(_given(fields), arguments)

    async def body(ctx: Context, _: Stop) -> None:
        stored = await schedule_admin.add(ctx, schedule_id, schedule)
        if as_json:
            invocation.show_json(formatting.schedule(stored))
        else:
            click.echo(f"added {schedule_id}: {preview.words(schedule)}")

    invocation.run(config, body)


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
    given = _given(fields)
    if not (given or arguments or unset):
        raise click.UsageError("there is nothing to change: give an option")

    async def body(ctx: Context, _: Stop) -> None:
        old = await _found(ctx, schedule_id, revision)
        base = None if old.unreadable else old.schedule
        schedule = schedule_parsing.schedule(given, arguments, base, unset)
        same = schedule == base and old.quarantined is None
        new = old if same else await schedule_admin.edit(ctx, old, schedule)
        change = preview.difference(_worked(old), _worked(new), ctx.now())
        if as_json:
            invocation.show_json({**formatting.schedule(new), "change": formatting.plain(change)})
        elif same:
            click.echo(f"{schedule_id} is so already")
        else:
            _tell(new, change)

    invocation.run(config, body)


def _worked(stored: Stored) -> Schedule | None:
    """What counts for its slots; that it is paused is left out of account."""
    return stored.schedule if replace(stored, paused=False).active else None


def _tell(stored: Stored, change: Difference) -> None:
    click.echo(f"edited {stored.id}, revision {stored.revision}: {preview.words(stored.schedule)}")
    for what, found in (("dropped", change.dropped), ("added", change.added)):
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        named = ", ".join(utc(at) for at in found[:_SHOWN]) or "no slot"
        click.echo(f"{what} until {utc(change.until)}: {named}{more}")
    if stored.owed is not None:
        click.echo(f"still due: {utc(stored.owed)}")
    if not stored.active:
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
    _switch(schedule_admin.pause, "is paused", schedule_id, revision, config, as_json)


@click.command()
@_id_argument
@_revision_option
@invocation.config_option
@invocation.json_option
def resume(schedule_id: str, revision: int | None, config: str | None, as_json: bool) -> None:
    """Go on with a schedule that is paused, from now on."""
    _switch(schedule_admin.resume, "is no more paused", schedule_id, revision, config, as_json)


def _switch(
    change: Callable[[Context, Stored], Awaitable[Stored]],
    told: str,
    schedule_id: str,
    revision: int | None,
    config: str | None,
    as_json: bool,
) -> None:
    async def body(ctx: Context, _: Stop) -> None:
        old = await _found(ctx, schedule_id, revision)
        new = await change(ctx, old)
        if as_json:
            invocation.show_json(formatting.schedule(new))
        else:
            already = " already" if new == old else ""
            click.echo(f"{schedule_id} {told}{already} (state: {new.state})")

    invocation.run(config, body)


@click.command()
@_id_argument
@_revision_option
@invocation.config_option
@invocation.json_option
def remove(schedule_id: str, revision: int | None, config: str | None, as_json: bool) -> None:
    """Delete a schedule of your own.

    Or one that is retired; one of the configuration's is taken out there. Run records stay.
    """

    async def body(ctx: Context, _: Stop) -> None:
        stored = await _found(ctx, schedule_id, revision)
        await schedule_admin.remove(ctx, stored)
        if as_json:
            invocation.show_json({"removed": schedule_id})
        else:
            click.echo(f"removed {schedule_id}")

    invocation.run(config, body)


async def _found(ctx: Context, schedule_id: str, revision: int | None) -> Stored:
    stored = await schedule_admin.find(ctx, schedule_id)
    if revision is not None and revision != stored.revision:
        msg = f"--revision: somebody has changed {schedule_id} meanwhile, it is at "
        msg += f"{stored.revision}: look at it again"
        raise ConfigError(msg)
    return stored


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
