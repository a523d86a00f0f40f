"""`chesscoach momentum`: boards, one player's momentum, and what an operator can do about it."""

from collections.abc import Callable, Sequence
from datetime import datetime

import click
from msgspec.structs import replace
from rich.console import ConsoleRenderable

from chesscoach.cli import formatting, invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.momentum import rollback
from chesscoach.context import Context
from chesscoach.jobs.as_of import parse_instant, refuse_in_production
from chesscoach.momentum import periods, views
from chesscoach.momentum.admin import init as preparation
from chesscoach.momentum.admin.recompute import recompute
from chesscoach.momentum.periods import Kind
from chesscoach.momentum.views import Board, PlayerView
from chesscoach.schedules.schedule import format_rfc3339

_EXIT_CODES = (
    "Exit codes: 0 done; 1 the database cannot be reached; 2 wrong usage or configuration; "
    "75 the checks or another command hold the lease."
)


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Momentum: show boards and players, prepare, back up, reset, restore and recompute."""


group.add_command(rollback.rollback)
group.add_command(rollback.restore)


def _parse_instant(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    at = parse_instant(text)
    if at is None:
        msg = f"{text[:80]!r} is not a date or an instant, such as 2026-03-09T06:00:00Z"
        raise click.BadParameter(msg)
    return at


def _parse_key(kind: Kind) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    def parse(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
        try:
            return periods.parse_key(kind, text).key if text is not None else None
        except ValueError:
            example = "2026-W10" if kind == "week" else "2026-03"
            msg = f"{text!r} is not the key of a {kind}, such as {example}"
            raise click.BadParameter(msg) from None

    return parse


_now_option = click.option(
    "--now", metavar="INSTANT", callback=_parse_instant, help="Look as of this instant, for tests."
)


def _as_of(ctx: Context, now: datetime | None) -> Context:
    return ctx if now is None else replace(ctx, now=lambda: now)


@group.command(epilog=_EXIT_CODES)
@click.option(
    "--book-since",
    metavar="DATE",
    callback=_parse_instant,
    help="Book history from this date on, at midnight UTC (default: nothing before now).",
)
@_now_option
@invocation.database_command
async def init(ctx: Context, book_since: datetime | None, now: datetime | None) -> Output:
    """Record the first instant, and add what is missing for each user.

    Nothing before the first instant is booked, closed or notified. The command adds levels,
    achievements, streaks and counters where there are none, and changes nothing that is there. A
    second run changes nothing.
    """
    if now is not None:
        refuse_in_production(ctx)
    report = await preparation.init(_as_of(ctx, now).momentum_admin, book_since)
    lines = [
        f"Initialized momentum data for {report.users} users.",
        f"progress: {report.created} added, {report.filled} completed; levels: {report.levels} "
        f"added; achievements: {report.achievements} added; streaks: {report.streaks} added; "
        f"{report.changes} changes",
        f"nothing before {format_rfc3339(report.book_since)} is booked, closed or notified",
    ]
    return Output(data={**formatting.to_json(report), "changes": report.changes}, text=lines)


@group.command("init-levels", epilog=_EXIT_CODES)
@invocation.database_command
async def init_levels(ctx: Context) -> Output:
    """Make the table of levels equal to the application's; keep surplus levels and name them."""
    changes = await preparation.init_levels(ctx.momentum_admin)
    lines = [f"Created {changes.created} new levels, updated {changes.updated} existing levels"]
    if changes.surplus:
        numbers = ", ".join(str(number) for number in changes.surplus)
        lines.append(f"surplus levels, which stay: {numbers}")
    return Output(data=changes, text=lines)


@group.command("recompute", epilog=_EXIT_CODES)
@click.option("--user-id", metavar="USER_ID", help="Only this user (default: all).")
@invocation.database_command
async def recompute_counters(ctx: Context, user_id: str | None) -> Output:
    """Make the counters of weeks and months, and momentum_xp, equal to the ledger's sums.

    `xp` moves by the same difference as `momentum_xp`, since it also has what the application paid.
    The level follows `xp`.
    """
    await rollback.require_user(ctx, user_id)
    counts = await recompute(ctx.momentum_admin, user_id)
    lines = [f"{counts['mended']} of {counts['players']} players had wrong counters"]
    if counts["doubled_documents"]:
        lines.append(
            f"{counts['doubled_documents']} documents of user_progress are second ones of their "
            "user, and do not count"
        )
    return Output(data=counts, text=lines)


@group.command()
@click.option(
    "--week", metavar="KEY", callback=_parse_key("week"), help="An ISO week, as 2026-W10."
)
@click.option("--month", metavar="KEY", callback=_parse_key("month"), help="A month, as 2026-03.")
@click.option("--all-time", is_flag=True, help="All points, with what the application paid.")
@click.option(
    "--top",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Maximum number of players.",
)
@_now_option
@invocation.database_command
async def board(
    ctx: Context,
    week: str | None,
    month: str | None,
    all_time: bool,
    top: int,
    now: datetime | None,
) -> Output:
    """Show the players with the most points (default: of this week).

    A board of a week or a month counts the ledger alone: what the application paid itself is in no
    week. Players of equal points share a rank. Users whom the application has deleted are left out.
    """
    if sum([week is not None, month is not None, all_time]) > 1:
        raise click.UsageError("give only one of --week, --month and --all-time")
    kind: Kind | None = None if all_time else "month" if month else "week"
    shown = await views.board(_as_of(ctx, now).momentum_views, kind, week or month, top)
    return Output(data=shown, text=_board_text(shown))


def _board_text(shown: Board) -> Sequence[str | ConsoleRenderable]:
    if not shown.players:
        return [shown.title, "no player has points"]
    rows = [
        (str(entry.rank), entry.user_id, entry.name or "", str(entry.points))
        for entry in shown.players
    ]
    return [shown.title, invocation.table(("rank", "user", "name", "points"), rows)]


@group.command(
    epilog="Exit codes: 0 done; 1 there is no such user, or the database cannot be reached; "
    "2 wrong usage or configuration."
)
@click.argument("user_id", metavar="USER_ID")
@_now_option
@invocation.database_command
async def show(ctx: Context, user_id: str, now: datetime | None) -> Output:
    """Show a user's points, keys, streak and last awards, and what the next check will do."""
    player = await views.player(_as_of(ctx, now).momentum_views, user_id)
    if player is None:
        raise rollback.user_not_found(user_id)
    return Output(data=player, text=_player_text(player))


def _player_text(player: PlayerView) -> Sequence[str | ConsoleRenderable]:
    band = player.band
    following = f"; {band.next.name} at {band.next.xp}" if band.next else ""
    fields = [
        ("user", " ".join(filter(None, [player.user_id, player.name]))),
        ("time zone", f"{player.timezone} ({player.timezone_source}), {player.local_date} there"),
        ("points", f"{player.xp} xp, {player.momentum_xp} of them in the ledger"),
        ("level", f"{player.level} {band.level.name}, {band.percent} %{following}"),
        ("streak", f"{player.current_streak} days shown, longest {player.longest_streak}"),
        ("our streak", f"{player.our_streak} days, last active {player.last_active or 'never'}"),
        ("achievements", str(player.achievements)),
    ]
    if player.points_count_since:
        fields.append(
            ("reset", f"points were reset at {format_rfc3339(player.points_count_since)}")
        )
    if player.surplus_documents:
        fields.append(("doubled", f"{player.surplus_documents} more documents of user_progress"))
    counters = [
        (
            view.kind,
            view.key or "none",
            str(view.points),
            view.previous_key or "none",
            str(view.previous_points),
            _result_text(view.previous_rank, view.previous_perfect),
        )
        for view in player.periods
    ]
    events = [
        (
            format_rfc3339(event.at) if event.at else "",
            event.action,
            str(event.points),
            event.week_key or "",
            event.month_key or "",
        )
        for event in player.events
    ]
    return [
        *formatting.aligned(fields),
        "",
        invocation.table(("period", "key", "points", "before", "points", "result"), counters),
        "",
        invocation.table(("last awards", "action", "points", "week", "month"), events),
        "",
        "next check:",
        *(f"  {line}" for line in player.next_check),
    ]


def _result_text(rank: int | None, perfect: bool | None) -> str:
    parts = [f"rank {rank}" if rank else "", "perfect" if perfect else ""]
    return ", ".join(part for part in parts if part)
