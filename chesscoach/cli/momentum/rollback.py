"""`chesscoach momentum rollback` and `restore`: backups, resets, and the purge."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from chesscoach.cli import invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.options import config_option, json_option
from chesscoach.context import Context
from chesscoach.errors import UserNotFound
from chesscoach.momentum.admin.context import Operation
from chesscoach.momentum.admin.restore import restore as restore_file
from chesscoach.momentum.admin.rollback import PurgedCollection, Rollback, plan_purge, roll_back
from chesscoach.worker.runner import result
from chesscoach.worker.shutdown import ShutdownRequest

_NOTHING_TO_DO = "No operations specified. Please specify at least one operation to perform."
_QUESTION = "Are you sure that you want to delete all momentum data? (y/n)"
_EXIT_CODES = (
    "Exit codes: 0 done; 1 failed, refused, or no such user; 2 wrong usage or configuration; "
    "75 the checks or another command hold the lease."
)
_FLAGS = {
    "--backup": "Write momentum_backup_YYYYmmdd_HHMMSS.json here, before anything else.",
    "--reset-points": "Set points to 0. The ledger stays, so that nothing is paid twice.",
    "--reset-levels": "Set levels to 1. The next award sets them by the points again.",
    "--reset-achievements": "Delete unlocked achievements.",
    "--reset-streaks": "Set streaks to 0, as if there had been no activity.",
    "--reset-default-levels": "Write levels_backup_*.json, then replace the table of levels.",
    "--reset-all-users": "Reset points, levels, achievements and streaks.",
    "--purge": "Delete all momentum data, after a question.",
    "--keep-structure": "With --purge: keep the collections and their indexes, empty.",
    "--yes": "Answer the question of --purge with y.",
}


def user_not_found(user_id: str) -> UserNotFound:
    """The error for a user who does not exist, with the text of the old script."""
    return UserNotFound(f"ERROR: User ID {user_id[:200]} not found in the database.")


async def require_user(ctx: Context, user_id: str | None) -> None:
    """Raises UserNotFound if a user is named who does not exist."""
    if user_id is not None and not await ctx.momentum_admin.collections.has_user(user_id):
        raise user_not_found(user_id)


def _flag_options(command: Callable[..., None]) -> Callable[..., None]:
    for name, text in reversed(_FLAGS.items()):
        command = click.option(name, is_flag=True, help=text)(command)
    return command


@click.command(epilog=_EXIT_CODES)
@click.option("--user-id", metavar="USER_ID", help="Only this user: backup and resets.")
@_flag_options
@config_option
@json_option
@click.pass_context
def rollback(
    click_context: click.Context,
    /,
    config: str | None,
    as_json: bool,
    yes: bool,
    **flags: Any,
) -> None:
    """Back up momentum, reset parts of it, or purge it.

    The order is: backup, points, levels, achievements, streaks, table of levels, purge. A failure
    stops the command; what was done before it stays done, and the command can be repeated.
    """
    wanted = Rollback(**flags)
    if not wanted.has_operation:
        click.echo(click_context.get_help())
        click.echo(_NOTHING_TO_DO)
        sys.exit(result.EXIT_USAGE)
    if wanted.purge and wanted.user_id is not None:
        raise click.UsageError("--purge concerns all users: leave out --user-id")
    if wanted.purge:
        _confirm_purge(config, wanted, yes=yes)
    folder = Path.cwd()

    async def body(ctx: Context) -> Output:
        await require_user(ctx, wanted.user_id)
        done = await roll_back(ctx.momentum_admin, wanted, folder)
        return Output(data=done, text=_summary(wanted, done))

    invocation.run_command(config, as_json, body)


def _confirm_purge(config: str | None, wanted: Rollback, *, yes: bool) -> None:
    """Names what goes and asks; ends the process unless the answer is y or Y.

    No lease is held and no connection is open while the question waits for its answer.
    """

    async def report(ctx: Context, _: ShutdownRequest) -> None:
        for line in _purge_lines(await plan_purge(ctx.momentum_admin), wanted):
            click.echo(line, err=True)

    code = invocation.execute(config, report)
    if code != result.EXIT_DONE:
        sys.exit(code)
    if yes:
        return
    try:
        answer = click.prompt(_QUESTION, default="", show_default=False, err=True)
    except click.Abort:
        answer = ""
    if answer.strip() not in ("y", "Y"):
        click.echo("cancelled: nothing was changed", err=True)
        sys.exit(result.EXIT_FAILED)


def _purge_lines(plan: Sequence[PurgedCollection], wanted: Rollback) -> list[str]:
    lines = ["the purge concerns:"]
    for collection in plan:
        if collection.documents_stay:
            what = f"points, level and streak of {collection.documents} documents"
        elif wanted.keep_structure or collection.belongs_to_application:
            what = f"{collection.documents} documents"
        else:
            what = f"{collection.documents} documents, the collection and its indexes"
        owner = " (belongs to the application)" if collection.belongs_to_application else ""
        lines.append(f"  {collection.name}: {what}{owner}")
    return lines


def _summary(wanted: Rollback, done: Operation) -> list[str]:
    files = [path for path in (done.backup_file, done.levels_file) if path]
    lines = [f"wrote {path}" for path in files]
    lines += [f"{name}: {count}" for name, count in done.counts.items()]
    if wanted.resets("levels") and not wanted.resets("points"):
        lines.append("the next award sets a level by the points again: reset the points as well")
    if wanted.purge and not wanted.keep_structure:
        lines.append("run `chesscoach db init` before the next check: the indexes are gone")
    return [*lines, f"recorded in admin_log as {done.id}"]


@click.command(epilog=_EXIT_CODES)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@invocation.database_command
async def restore(ctx: Context, file: Path) -> Output:
    """Restore FILE, a backup: its documents come back as they were, and later ones are deleted.

    The scope is that of the backup: all of momentum, one user, or the table of levels. A file that
    is incomplete or was changed is refused, and nothing changes.
    """
    done = await restore_file(ctx.momentum_admin, file)
    lines = [f"{name}: {count} documents" for name, count in done.counts.items()]
    return Output(data=done, text=[*lines, f"recorded in admin_log as {done.id}"])
