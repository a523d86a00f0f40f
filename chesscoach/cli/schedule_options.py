"""The options of `add` and `edit`: one for each field of a schedule."""

from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import click
from msgspec.structs import fields

from chesscoach.cli.schedule_parsing import parse_duration, parse_instant
from chesscoach.schedules.schedule import Schedule

_OVERLAPS = get_args(get_type_hints(Schedule)["overlap"])

_OPTIONS = (
    click.option("--job", metavar="NAME", help="The job that it runs."),
    click.option("--cron", metavar="EXPR", help="Trigger: five fields, or six with seconds first."),
    click.option(
        "--every",
        type=parse_duration,
        metavar="PERIOD",
        help='Trigger: real elapsed time, as "6h" or "1w 2d".',
    ),
    click.option(
        "--at",
        type=parse_instant,
        metavar="INSTANT",
        help="Trigger: once, as 2026-12-24T18:00:00Z.",
    ),
    click.option("--timezone", metavar="ZONE", help="The local time of --cron, as Europe/Berlin."),
    click.option(
        "--anchor", type=parse_instant, metavar="INSTANT", help="From when --every is counted."
    ),
    click.option("--enabled/--disabled", default=None, help="Whether its slots are worked."),
    click.option("--lock", metavar="NAME", help="The lease that it needs; by default the job's."),
    click.option("--max-instances", type=int, metavar="N", help="So many may hold the lock."),
    click.option(
        "--overlap",
        type=click.Choice(_OVERLAPS),
        help="What becomes of a slot that finds the lock held.",
    ),
    click.option(
        "--coalesce/--no-coalesce",
        default=None,
        help="Of slots that nobody was there for, work the latest, or each.",
    ),
    click.option(
        "--misfire-grace-s", type=float, metavar="S", help="A slot later than that is missed."
    ),
    click.option("--jitter-s", type=float, metavar="S", help="Begin up to that much later."),
    click.option(
        "--arg", "arguments", multiple=True, metavar="NAME=VALUE", help="An argument of the job's."
    ),
)


def schedule_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command an option for each field of a schedule; what is not given is None."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


unset_option = click.option(
    "--unset",
    multiple=True,
    type=click.Choice([field.name for field in fields(Schedule) if not field.required]),
    help="Put a field back to its default; of --arg: all of them (args).",
)
