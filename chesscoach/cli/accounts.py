"""`chesscoach accounts`: players' accounts on Lichess and Chess.com."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click
from rich.constrain import Constrain
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from chesscoach.cli import invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.options import config_option, json_option
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.sources.game import Platform
from chesscoach.sources.source import SOURCES
from chesscoach.sync import account_report, usernames
from chesscoach.sync.account_report import AccountReport, LinkedUser, SourceStatus

_Command = TypeVar("_Command", bound=Callable[..., Any])
_PANEL_WIDTH = 120
_NAME_LENGTH = 40


def _source_options(help_text: str, **attributes: Any) -> Callable[[_Command], _Command]:
    """Adds an option for each source, such as `--lichess`."""

    def add_options(command: _Command) -> _Command:
        for source in reversed(tuple(SOURCES.values())):
            option = click.option(
                f"--{source.key}", help=help_text.format(source.name), **attributes
            )
            command = option(command)
        return command

    return add_options


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Accounts: link and show players' accounts on Lichess and Chess.com."""


@group.command()
@click.argument("user_id")
@_source_options("The user's name on {}.", metavar="NAME")
@config_option
@json_option
def link(user_id: str, config: str | None, as_json: bool, **given: str | None) -> None:
    """Link a user to names; create the user if there is none."""
    names: dict[Platform, str | None] = {
        platform: _validate_username(platform, name)
        for platform, source in SOURCES.items()
        if (name := given[source.key]) is not None
    }
    if not names or not user_id.strip():
        flags = " or ".join(f"--{source.key}" for source in SOURCES.values())
        raise click.UsageError(f"nothing to link: give a USER_ID and {flags}")

    async def body(ctx: Context) -> Output:
        created = not await ctx.users.exists(user_id)
        await ctx.users.link(user_id, names)
        linked = ", ".join(f"{source} {name}" for source, name in names.items())
        return Output(
            data={"user_id": user_id, "created": created, "linked": names},
            text=[
                *([f"created the user {user_id}, who did not exist"] if created else []),
                f"linked {user_id}: {linked}",
            ],
        )

    invocation.run_command(config, as_json, body)


@group.command()
@click.argument("user_id")
@_source_options("Only the name on {}.", is_flag=True)
@invocation.database_command
async def unlink(ctx: Context, user_id: str, **only: bool) -> Output:
    """Remove names from a user; the user's games stay."""
    names: dict[Platform, str | None] = {
        platform: None
        for platform, source in SOURCES.items()
        if only[source.key] or not any(only.values())
    }
    if not await ctx.users.exists(user_id):
        msg = f"user {user_id!r} does not exist: see `chesscoach accounts list`"
        raise ConfigError(msg)
    await ctx.users.link(user_id, names)
    return Output(
        data={"user_id": user_id, "unlinked": list(names)},
        text=[f"unlinked {user_id}: {', '.join(names)}"],
    )


@group.command("list")
@invocation.database_command
async def list_accounts(ctx: Context) -> Output:
    """Show each linked name, its user and the number of stored games."""
    rows = await _linked_accounts(ctx)
    columns = ("user", "source", "name", "games", "last sync")
    return Output(data=rows, text=[invocation.table(columns, [_cells(row) for row in rows])])


def _cells(row: dict[str, Any]) -> list[str]:
    name = row["name"] if row["usable"] else f"{row['name']} (cannot be a name there)"
    return [row["user_id"], row["platform"], name, str(row["games"]), row["last_sync"] or "never"]


@group.command("show")
@click.argument("name")
@invocation.database_command
async def show_account(ctx: Context, name: str) -> Output:
    """Show the status of the accounts of NAME, their progress and what comes next.

    NAME is a name on either source, a user_id, or a key such as lichess:ann.
    """
    reports = await account_report.account_reports(ctx.sync, name)
    return Output(
        data=reports, text=[Constrain(_panel(report), _PANEL_WIDTH) for report in reports]
    )


async def _linked_accounts(ctx: Context) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async for page in ctx.users.linked_users():
        games = await ctx.sync.games.count_by_user([user.user_id for user in page])
        rows += [
            {
                "user_id": user.user_id,
                "platform": source,
                "name": str(name)[:_NAME_LENGTH],
                "usable": usernames.normalize_username(source, name) is not None,
                "games": games.get((user.user_id, source), 0),
                "last_sync": user.last_sync.isoformat() if user.last_sync else None,
            }
            for user in page
            for source, names in user.names.items()
            for name in names
        ]
    return rows


def _validate_username(source: Platform, name: str) -> str:
    if usernames.normalize_username(source, name) is None:
        msg = f"{name[:80]!r} cannot be a name on {source}"
        raise click.BadParameter(msg)
    return name.strip()


def _panel(report: AccountReport) -> Panel:
    """Returns an account as a panel with one labelled line for each fact."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in [*_status_lines(report), *_progress_lines(report), *_check_lines(report)]:
        grid.add_row(label, Text(value))
    return Panel(grid, title=Text(report.key), title_align="left", expand=False)


def _status_lines(report: AccountReport) -> list[tuple[str, str]]:
    absent = f"; not found at the last {report.absent} checks" if report.absent else ""
    return [
        ("source", report.platform),
        ("name", report.name),
        ("status", report.status + absent),
        *_labelled("linked by", [_user_text(user) for user in report.users], "no user"),
    ]


def _progress_lines(report: AccountReport) -> list[tuple[str, str]]:
    if report.platform == "lichess":
        newest = f"began {_format_instant(report.cursor)}" if report.cursor else "none yet"
        games = [
            f"{game.id}, since {_format_instant(game.started_at)}"
            for game in report.unfinished_games
        ]
        return [("newest game", newest), *_labelled("unfinished", games, "no game is followed")]
    return [
        ("open months", ", ".join(report.open_months) or "none yet: a first sync"),
        ("sealed months", ", ".join(report.sealed_months) or "none"),
        *([("gone months", ", ".join(report.gone_months))] if report.gone_months else []),
    ]


def _check_lines(report: AccountReport) -> list[tuple[str, str]]:
    active = _format_instant(report.active_at, "unknown")
    errors = [f"{_format_instant(error.at)}: {error.error}" for error in reversed(report.errors)]
    return [
        ("checked", f"{report.tier}; last active {active}"),
        ("last check", _format_instant(report.checked_at, "never")),
        ("failures", _failures_text(report)),
        *_labelled("error", errors),
        ("next due", _due_text(report)),
        *_labelled("source now", _source_texts(report.site)),
    ]


def _labelled(label: str, texts: Sequence[str], if_none: str = "") -> list[tuple[str, str]]:
    return [(label, text) for text in texts or ([if_none] if if_none else [])]


def _user_text(user: LinkedUser) -> str:
    return f"{user.user_id} as {user.name}, backfill {'done' if user.joined else 'pending'}"


def _failures_text(report: AccountReport) -> str:
    if not report.failures:
        return "none"
    until = report.set_aside_until
    return f"{report.failures} in a row" + (
        f"; next try at {_format_instant(until)}" if until else ""
    )


def _due_text(report: AccountReport) -> str:
    if not report.users:
        return "never: no user links it"
    due = _format_instant(report.due_at)
    return f"now (since {due})" if report.due else due


def _source_texts(source: SourceStatus) -> list[str]:
    texts = []
    if source.contact_missing:
        texts.append("not asked: [sources] contact is not set")
    if source.closed_until:
        texts.append(f"breaker open until {_format_instant(source.closed_until)}")
    if source.paused_until:
        texts.append(f"paused until {_format_instant(source.paused_until)}")
    if source.held_by is not None:
        texts.append(f"in use by {source.held_by.get('run_id', 'a run')}")
    return texts


def _format_instant(instant: datetime | None, otherwise: str = "") -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else otherwise
