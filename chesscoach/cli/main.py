"""The `chesscoach` command: what an operator asks or sets by hand. Thin: it parses and calls."""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from chesscoach import __version__, process
from chesscoach.cli import db, deploy, emails, runs, schedules
from chesscoach.cli.healthcheck import healthcheck
from chesscoach.cli.web import web
from chesscoach.config import Settings
from chesscoach.context import Context
from chesscoach.doctor import checks, report
from chesscoach.doctor.finding import Finding
from chesscoach.errors import ConfigError
from chesscoach.sources.game import Platform
from chesscoach.sync import account_report, usernames
from chesscoach.worker.shutdown import Interrupted, ShutdownRequest

_config_option = click.option("--config", metavar="PATH", help="Another config.toml.")
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _run_with_context(path: str | None, body: Callable[[Context], Awaitable[None]]) -> None:
    async def inside(ctx: Context, _: ShutdownRequest) -> int:
        await body(ctx)
        return 0

    sys.exit(process.execute(lambda: process.load_settings(path, stream="stderr"), inside))


@click.group(
    epilog="Exit codes: 0 done; 1 the database cannot be reached; 2 wrong usage or configuration."
)
@click.version_option(__version__)
def main() -> None:
    """Operate the background worker of a chess-coaching application.

    The jobs run by `python -m chesscoach.jobs.NAME`, the daemon by `python -m chesscoach`.
    """


main.add_command(schedules.group, "schedules")
main.add_command(runs.group, "runs")
main.add_command(db.group, "db")
main.add_command(emails.group, "emails")
main.add_command(deploy.group, "deploy")
main.add_command(web)
main.add_command(healthcheck)


@main.command(
    epilog="Exit codes: 0 nothing fails; 1 something fails; 2 the configuration cannot be used."
)
@_config_option
@_json_option
def doctor(config: str | None, as_json: bool) -> None:
    """Check configuration, database, sites and secrets; say what is wrong and what to do.

    Each site is sent one request, unless it is to be left alone or a run is asking it. A line says
    ok, warn or FAIL; it shows no secret.
    """

    def tell(found: Finding) -> None:
        if not as_json:
            click.echo(report.finding_line(found))

    def load() -> Settings:
        try:
            return process.load_settings(config, stream="stderr")
        except ConfigError as error:
            found = checks.configuration_finding(error)
            click.echo(report.to_json([found]) if as_json else report.finding_line(found))
            raise

    async def body(settings: Settings, stop: ShutdownRequest) -> int:
        try:
            findings = await stop.run_interruptible(checks.run_checks(settings, tell))
        except Interrupted:
            return 128 + (stop.signal or 0)
        if as_json:
            click.echo(report.to_json(findings))
        if refused := [found.what for found in findings if found.unusable]:
            raise ConfigError(refused[0])
        return checks.exit_code(findings)

    sys.exit(process.execute_alone(load, body))


@main.group("accounts")
def accounts() -> None:
    """Players' accounts on Lichess and Chess.com, for those who have no application yet."""


@accounts.command()
@click.argument("user_id")
@click.option("--lichess", metavar="NAME", help="His name on Lichess.")
@click.option("--chesscom", metavar="NAME", help="His name on Chess.com.")
@_config_option
def link(user_id: str, lichess: str | None, chesscom: str | None, config: str | None) -> None:
    """Link a user to names; a user who does not exist is made."""
    names: dict[Platform, str | None] = {}
    if lichess is not None:
        names["lichess"] = _validate_username("lichess", lichess)
    if chesscom is not None:
        names["chess.com"] = _validate_username("chess.com", chesscom)
    if not names or not user_id.strip():
        raise click.UsageError("nothing to link: give a USER_ID and --lichess or --chesscom")

    async def body(ctx: Context) -> None:
        await ctx.users.link(user_id, names)
        click.echo(f"linked {user_id}: {', '.join(f'{s} {n}' for s, n in names.items())}")

    _run_with_context(config, body)


@accounts.command()
@click.argument("user_id")
@click.option("--lichess", is_flag=True, help="Only his name on Lichess.")
@click.option("--chesscom", is_flag=True, help="Only his name on Chess.com.")
@_config_option
def unlink(user_id: str, lichess: bool, chesscom: bool, config: str | None) -> None:
    """Take names from a user; his games stay."""
    both = lichess == chesscom
    names: dict[Platform, str | None] = {}
    if lichess or both:
        names["lichess"] = None
    if chesscom or both:
        names["chess.com"] = None

    async def body(ctx: Context) -> None:
        if not await ctx.users.exists(user_id):
            msg = f"there is no user with the user_id {user_id!r}"
            raise ConfigError(msg)
        await ctx.users.link(user_id, names)
        click.echo(f"unlinked {user_id}: {', '.join(names)}")

    _run_with_context(config, body)


@accounts.command("list")
@_config_option
@_json_option
def list_accounts(config: str | None, as_json: bool) -> None:
    """Show who has linked what, and how many of his games are stored."""

    async def body(ctx: Context) -> None:
        rows = await _linked_accounts(ctx)
        if as_json:
            click.echo(json.dumps(rows))
            return
        table = Table("user", "site", "name", "games", "last sync")
        for row in rows:
            table.add_row(
                row["user_id"],
                row["platform"],
                row["name"] if row["usable"] else f"{row['name']} (no site could have it)",
                str(row["games"]),
                row["last_sync"] or "never",
            )
        Console().print(table)

    _run_with_context(config, body)


@accounts.command("show")
@click.argument("name")
@_config_option
@_json_option
def show_account(name: str, config: str | None, as_json: bool) -> None:
    """Show how the accounts of NAME stand, how far they are, and what comes next.

    NAME is a name on either site, a user_id, or a key such as lichess:ann.
    """

    async def body(ctx: Context) -> None:
        shown = await account_report.account_reports(ctx.sync, name)
        if as_json:
            click.echo(msgspec.json.encode(shown).decode())
            return
        console = Console(width=None if sys.stdout.isatty() else 120)
        for each in shown:
            console.print(account_report.to_panel(each))

    _run_with_context(config, body)


async def _linked_accounts(ctx: Context) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async for page in ctx.users.linked_users():
        games = await ctx.sync.games.count_by_user([user.user_id for user in page])
        rows += [
            {
                "user_id": user.user_id,
                "platform": site,
                "name": str(name)[:40],
                "usable": usernames.normalize_username(site, name) is not None,
                "games": games.get((user.user_id, site), 0),
                "last_sync": user.last_sync.isoformat() if user.last_sync else None,
            }
            for user in page
            for site, names in user.names.items()
            for name in names
        ]
    return rows


def _validate_username(site: Platform, name: str) -> str:
    if usernames.normalize_username(site, name) is None:
        msg = f"{name[:80]!r} cannot be a name on {site}"
        raise click.BadParameter(msg)
    return name.strip()
