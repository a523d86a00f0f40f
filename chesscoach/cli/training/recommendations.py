"""`chesscoach recommendations`: what is recommended to a player, and dismissing it."""

from collections.abc import Sequence

import click
from rich.table import Table

from chesscoach.cli import formatting, invocation
from chesscoach.cli.invocation import Output
from chesscoach.context import Context
from chesscoach.errors import ConfigError, UserNotFound
from chesscoach.training.store.recommendations import StoredRecommendation


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Recommendations: list those of a player, and dismiss one for its week."""


@group.command(
    "list",
    epilog="Exit codes: 0 done; 1 there is no such player, or the database cannot be reached; "
    "2 wrong usage or configuration.",
)
@click.argument("user_id", metavar="USER_ID")
@click.option("--all", "everything", is_flag=True, help="Also dismissed and retired ones.")
@invocation.database_command
async def list_recommendations(ctx: Context, user_id: str, everything: bool) -> Output:
    """Show what is recommended to a player, the most important first."""
    found = await ctx.training.recommendations.of_user(user_id, active_only=not everything)
    if not found and not await ctx.training.players.exists(user_id):
        msg = f"player {user_id[:200]!r} does not exist: see `chesscoach accounts list`"
        raise UserNotFound(msg)
    text = [_table(found)] if found else ["There is no recommendation."]
    return Output(data=[_to_json(item) for item in found], text=text)


@group.command()
@click.argument("recommendation", metavar="ID|USER_ID")
@click.argument("kind", metavar="[TYPE]", required=False)
@invocation.database_command
async def dismiss(ctx: Context, recommendation: str, kind: str | None) -> Output:
    """Dismiss a recommendation until its week ends: by its ID, or by a USER_ID and its TYPE.

    Dismissing it again changes nothing.
    """
    store = ctx.training.recommendations
    if kind is None:
        named = await store.find(recommendation)
        targets = [named] if named is not None else []
    else:
        targets = [
            item
            for item in await store.of_user(recommendation, active_only=False)
            if item.recommendation_type == kind.upper() and item.retired_at is None
        ][:1]
    if not targets:
        name = " ".join(filter(None, (recommendation, kind)))[:200]
        msg = f"recommendation {name!r} does not exist: see `chesscoach recommendations list`"
        raise ConfigError(msg)
    await store.dismiss([target.id for target in targets], ctx.now())
    after = await store.find(targets[0].id)
    shown = after if after is not None else targets[0]
    line = f"{shown.recommendation_type} of {shown.refresh_key} is dismissed until its week ends."
    return Output(data=_to_json(shown), text=[line])


def _table(found: Sequence[StoredRecommendation]) -> Table:
    columns = ("priority", "recommendation", "message", "week", "status", "id")
    return invocation.table(columns, [_cells(item) for item in found])


def _cells(item: StoredRecommendation) -> list[str]:
    status = "active" if item.is_active else "dismissed" if item.dismissed_at else "retired"
    return [str(item.priority), item.title, item.message, item.refresh_key, status, item.id]


def _to_json(item: StoredRecommendation) -> dict[str, object]:
    return dict(formatting.to_json(item))
