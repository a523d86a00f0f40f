"""`chesscoach routines`: what players train again and again."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from chesscoach import log
from chesscoach.cli import formatting, invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.options import config_option, json_option
from chesscoach.cli.training import routine_options
from chesscoach.context import Context
from chesscoach.training.sessions import administration, friendly_options
from chesscoach.training.sessions.feed_links import FeedLinks
from chesscoach.training.sessions.generation import Generated
from chesscoach.training.sessions.options import UNSET, RoutineOptions, Unset
from chesscoach.training.sessions.routine import Routine
from chesscoach.training.sessions.rule_text import WEEKDAYS
from chesscoach.worker.runner import result

_REMOVE_EXIT_CODES = (
    "Exit codes: 0 done; 1 refused, or the database cannot be reached; 2 wrong usage, or no such "
    "routine."
)
_routine_argument = click.argument("routine_id", metavar="ROUTINE_ID")


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Routines: add, show and change what a player trains again and again."""


@group.command()
@click.argument("user_id", metavar="USER_ID")
@routine_options.routine_options
@invocation.database_command
async def add(ctx: Context, user_id: str, timezone: str | None, **given: Any) -> Output:
    """Add a routine of a user, and make its sessions of the next days.

    It needs --title, --kind, --from, --at, --minutes, and --recurrence or --rrule.
    """
    options = routine_options.to_options(given)
    routine, made = await administration.add_routine(ctx.training, user_id, options, timezone)
    return _changed(ctx, routine, made, f"added {routine.id}")


@group.command()
@_routine_argument
@routine_options.routine_options
@click.option("--unset", multiple=True, type=click.Choice(UNSET), help="Reset this to its default.")
@invocation.database_command
async def edit(
    ctx: Context, routine_id: str, timezone: str | None, unset: Sequence[Unset], **given: Any
) -> Output:
    """Change a routine, and its coming sessions that are still scheduled.

    An option that is given replaces the old value; --skip replaces all skipped days.
    """
    options = routine_options.to_options(given)
    if options == RoutineOptions() and timezone is None and not unset:
        raise click.UsageError("there is nothing to change: give an option")
    routine, made = await administration.edit_routine(
        ctx.training, routine_id, options, unset, timezone
    )
    return _changed(ctx, routine, made, f"{routine.id} has revision {routine.revision}")


@group.command("list")
@click.option("--user", "user_id", metavar="USER_ID", help="Only routines of this user.")
@invocation.database_command
async def list_routines(ctx: Context, user_id: str | None) -> Output:
    """Show the routines of all users or of one."""
    zones = await administration.load_zones(ctx.training)
    routines: list[Routine] = []
    batch = ctx.training.settings.batch
    async for page, invalid in ctx.training.routines.pages(batch, zones, user_id):
        routines += page
        for document in invalid:
            log.get_logger().warning(
                "training_document_invalid", routine=document.id, error=document.reason
            )
    rows = [
        (r.id, r.user_id, r.title, r.kind, r.recurrence.rrule, f"{r.recurrence.dtstart:%H:%M}")
        for r in routines
    ]
    return Output(
        data=[_routine_json(ctx, routine) for routine in routines],
        text=[invocation.table(("id", "user", "title", "kind", "rule", "at"), rows)],
    )


@group.command()
@_routine_argument
@invocation.database_command
async def show(ctx: Context, routine_id: str) -> Output:
    """Show a routine."""
    zones = await administration.load_zones(ctx.training)
    routine = await administration.find_routine(ctx.training, routine_id, zones)
    return Output(data=_routine_json(ctx, routine), text=_lines(ctx, routine))


@group.command()
@_routine_argument
@invocation.database_command
async def ics(ctx: Context, routine_id: str) -> Output:
    """Print a routine's coming sessions as a calendar (iCalendar).

    `routines show` has the address at which calendar programs find the same.
    """
    feed = (await administration.routine_calendar(ctx.training, routine_id)).decode()
    return Output(data={"routine_id": routine_id, "ics": feed}, text=[feed])


@group.command(epilog=_REMOVE_EXIT_CODES)
@_routine_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def remove(routine_id: str, yes: bool, config: str | None, as_json: bool) -> None:
    """Ask, then delete a routine and its coming sessions; past ones stay."""
    if not yes:
        _confirm(routine_id)

    async def body(ctx: Context) -> Output:
        zones = await administration.load_zones(ctx.training)
        routine = await ctx.training.routines.find(routine_id, zones)
        deleted = await administration.remove_routine(ctx.training, routine_id)
        shown = _routine_json(ctx, routine) if isinstance(routine, Routine) else {}
        return Output(
            data={**shown, "removed": routine_id, "sessions_deleted": deleted},
            text=[f"removed {routine_id} and {deleted} coming sessions"],
        )

    invocation.run_command(config, as_json, body)


def _confirm(routine_id: str) -> None:
    """Ends the process unless a person at a terminal answers y."""
    if not sys.stdin.isatty():
        invocation.print_error("routines remove: there is no terminal to ask on: give --yes")
        sys.exit(result.EXIT_FAILED)
    question = f"Remove routine {routine_id[:80]} and its coming sessions? (y/n)"
    try:
        answer = click.prompt(question, default="", show_default=False, err=True)
    except click.Abort:
        answer = ""
    if answer.strip() not in ("y", "Y"):
        click.echo("cancelled: nothing was changed", err=True)
        sys.exit(result.EXIT_FAILED)


def _feed_url(ctx: Context, routine: Routine) -> str | None:
    """The address of a routine's feed; None unless the settings of links are there."""
    emails = ctx.config.emails
    if not (emails.signing_keys and emails.public_url):
        return None
    return FeedLinks(emails.public_url, emails.signing_keys, ctx.now).url(routine.id)


def _routine_json(ctx: Context, routine: Routine) -> dict[str, Any]:
    """A routine with its rule, and the friendly options that mean the same."""
    recurs = routine.recurrence
    options = friendly_options.from_rule(recurs.parts)
    return {
        "routine_id": routine.id,
        "user_id": routine.user_id,
        "title": routine.title,
        "kind": routine.kind,
        "count": routine.count,
        "minutes": routine.minutes,
        "rrule": recurs.rrule,
        "exdates": [day.isoformat() for day in recurs.exdates],
        "dtstart": recurs.dtstart.isoformat(),
        "timezone": recurs.zone.key,
        "timezone_source": routine.zone_source,
        "recurrence": options.frequency if options else None,
        "on": [WEEKDAYS[n].lower() for n in options.weekdays] if options else None,
        "day_of_month": options.day_of_month if options else None,
        "from": routine.first_day.isoformat(),
        "until": recurs.until.isoformat() if recurs.until else None,
        "at": f"{recurs.dtstart:%H:%M}",
        "revision": routine.revision,
        "created_at": formatting.to_json(routine.created_at),
        "updated_at": formatting.to_json(routine.updated_at),
        "feed_url": _feed_url(ctx, routine),
    }


def _changed(ctx: Context, routine: Routine, made: Generated, text: str) -> Output:
    sessions = {"added": made.added, "moved": made.moved, "deleted": made.deleted}
    counts = ", ".join(f"{count} {what}" for what, count in sessions.items())
    return Output(
        data={**_routine_json(ctx, routine), "sessions": sessions},
        text=[text, *_lines(ctx, routine), f"sessions: {counts}"],
    )


def _lines(ctx: Context, routine: Routine) -> list[str]:
    fields = [(name, _text(value)) for name, value in _routine_json(ctx, routine).items()]
    return formatting.aligned([(name, text) for name, text in fields if text])


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
