"""`chesscoach sessions`: the occurrences of routines, and what became of them."""

from typing import Any

import click

from chesscoach.cli import formatting, invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.options import limit_option
from chesscoach.context import Context
from chesscoach.training.sessions import administration
from chesscoach.training.sessions.routine import MAX_MINUTES
from chesscoach.training.sessions.session import STATUSES, StoredSession

_session_argument = click.argument("session_id", metavar="SESSION_ID")


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Sessions: show, complete and cancel the occurrences of routines."""


@group.command("list")
@click.option("--user", "user_id", metavar="USER_ID", help="Only sessions of this user.")
@click.option("--routine", "routine_id", metavar="ROUTINE_ID", help="Only those of this routine.")
@click.option("--status", type=click.Choice(STATUSES), help="Only sessions with this status.")
@limit_option
@invocation.database_command
async def list_sessions(ctx: Context, limit: int, **only: str | None) -> Output:
    """Show sessions in the order of their days: the last ones and the next ones."""
    query = {name: value for name, value in only.items() if value is not None}
    sessions = await ctx.training.sessions.nearest(query, ctx.now(), limit)
    rows = [
        (s.id, s.user_id, s.title, s.kind, formatting.to_json(s.starts_at), s.status)
        for s in sessions
    ]
    return Output(
        data=[session_json(session) for session in sessions],
        text=[invocation.table(("id", "user", "title", "kind", "starts", "status"), rows)],
    )


@group.command()
@_session_argument
@click.option(
    "--minutes",
    type=click.IntRange(0, MAX_MINUTES),
    metavar="N",
    help="Minutes that it took (default: the planned duration).",
)
@invocation.database_command
async def complete(ctx: Context, session_id: str, minutes: int | None) -> Output:
    """Complete a session; a missed one only until its week has closed.

    SESSION_ID is its id in `chesscoach sessions list`.
    """
    session = await administration.complete_session(ctx.training, session_id, minutes)
    return Output(data=session_json(session), text=[f"{session.id} is completed"])


@group.command()
@_session_argument
@invocation.database_command
async def cancel(ctx: Context, session_id: str) -> Output:
    """Cancel a session that is scheduled; it is not made again."""
    session = await administration.cancel_session(ctx.training, session_id)
    return Output(data=session_json(session), text=[f"{session.id} is cancelled"])


def session_json(session: StoredSession) -> dict[str, Any]:
    """A session as it is stored."""
    fields: dict[str, Any] = formatting.to_json(session)
    return {"session_id": fields.pop("_id"), **fields}
