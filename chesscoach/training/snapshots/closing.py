"""Closes the days of players: who is due, and the snapshots of their last days.

A player is due when their yesterday is not closed. Its snapshot becomes final, and those of the two
days before are calculated again, for games that came late. Yesterday's is written last, so what a
killed run has left is done by the next one.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime

from chesscoach.errors import ConfigError
from chesscoach.training.activity import Activity
from chesscoach.training.batches import count_failure, name_unreadable, process_in_batches
from chesscoach.training.context import TrainingContext
from chesscoach.training.days import DAY
from chesscoach.training.player import Player, in_their_zones
from chesscoach.training.snapshots import figures
from chesscoach.training.snapshots.figures import QUIZ_WEIGHTS, WINDOW_DAYS, Ratings
from chesscoach.training.snapshots.snapshot import Snapshot, snapshot_of
from chesscoach.training.store.activity import Span
from chesscoach.training.zones import Zones
from chesscoach.worker.job import Run

CLOSED_DAYS = 3
"""Days before today whose snapshots are calculated when a day is closed."""

_SPAN = Span(
    days=CLOSED_DAYS + WINDOW_DAYS - 1, detailed_days=CLOSED_DAYS, quizzes=len(QUIZ_WEIGHTS)
)


async def close_days(
    ctx: TrainingContext, run: Run, now: datetime, *, user_id: str | None = None
) -> None:
    """Closes the day of each player whose midnight has passed; of one user also takes today.

    A manual run calculates the last days of every player again.
    """
    zones = await Zones.load(ctx.settings.timezone)

    async def due() -> AsyncIterator[Sequence[Player]]:
        async for page in ctx.players.pages(ctx.settings.batch, user_id, run.shard):
            players = in_their_zones(page, zones, now)
            if not run.manual:
                yesterday = {(player.user_id, player.today - DAY) for player in players}
                closed = await ctx.snapshots.closed(yesterday)
                players = [
                    player
                    for player in players
                    if (player.user_id, player.today - DAY) not in closed
                ]
            if players:
                yield players

    async def close(players: Sequence[Player]) -> None:
        await _close(ctx, run, now, players, with_today=user_id is not None)

    await process_in_batches(run, due(), close)
    if user_id is not None and not run.counts.candidates:
        msg = f"--user: there is no player {user_id!r}"
        raise ConfigError(msg)
    zones.report(run)


async def _close(
    ctx: TrainingContext,
    run: Run,
    now: datetime,
    players: Sequence[Player],
    *,
    with_today: bool,
) -> None:
    ids = [player.user_id for player in players]
    todays = [player.today for player in players] or [now.date()]
    first, last = min(todays) - (CLOSED_DAYS + 1) * DAY, max(todays)
    stored = await ctx.snapshots.read(ids, first, last)
    known = await _known_ratings(ctx, players, stored)
    unrated = [key for key in ids if not known.get(key)]
    activities = await ctx.activity.read(players, _SPAN, unrated)
    taken = list[Snapshot]()
    done = 0
    for player in players:
        try:
            taken += _snapshots(
                player,
                activities[player.user_id],
                stored,
                known.get(player.user_id, {}),
                with_today=with_today,
            )
        except Exception as error:  # noqa: BLE001  # one player's data must not stop the others
            count_failure(run, player, error)
        else:
            done += 1
    yesterdays = {(player.user_id, player.today - DAY) for player in players}
    for closing in (False, True):
        some = [
            item
            for item in taken
            if ((item.user_id, item.local_date) in yesterdays) is closing
            and stored.get((item.user_id, item.local_date)) != item
        ]
        await _write(ctx, run, now, some, stored)
    run.counts.done += done
    for player in players:
        name_unreadable(run, player, activities[player.user_id])


async def _write(
    ctx: TrainingContext,
    run: Run,
    now: datetime,
    snapshots: Sequence[Snapshot],
    stored: dict[tuple[str, date], Snapshot],
) -> None:
    new = [item for item in snapshots if (item.user_id, item.local_date) not in stored]
    changed = [item for item in snapshots if (item.user_id, item.local_date) in stored]
    if not run.dry_run:
        await ctx.snapshots.write(new, changed, now)
    prefix = "would_be_" if run.dry_run else ""
    for name, some in (("added", new), ("changed", changed)):
        if some:
            run.counts.note(f"snapshots_{prefix}{name}", len(some))


async def _known_ratings(
    ctx: TrainingContext, players: Sequence[Player], stored: dict[tuple[str, date], Snapshot]
) -> dict[str, Ratings]:
    """The ratings of each player at the end of the day before those that are calculated."""
    known: dict[str, Ratings] = {}
    for player in players:
        before = stored.get((player.user_id, player.today - (CLOSED_DAYS + 1) * DAY))
        if before is not None:
            known[player.user_id] = before.rating
    missing = [player for player in players if player.user_id not in known]
    if missing:
        earliest = min(player.today for player in missing) - CLOSED_DAYS * DAY
        known |= await ctx.snapshots.last_ratings([p.user_id for p in missing], earliest)
    return known


def _snapshots(
    player: Player,
    activity: Activity,
    stored: dict[tuple[str, date], Snapshot],
    known: Ratings,
    *,
    with_today: bool,
) -> list[Snapshot]:
    """The snapshots of a player's last days, in their order; games before them fill in ratings."""
    days = [player.today - number * DAY for number in range(CLOSED_DAYS, 0, -1)]
    days += [player.today] if with_today else []
    earlier = [game for ended, game in activity.games.values() if ended < days[0]]
    ratings: Ratings = {
        source: {**speeds, **known.get(source, {})}
        for source, speeds in ({**known, **figures.ratings_after({}, earlier)}).items()
    }
    snapshots = []
    for day in days:
        result = figures.figures_of(activity, day, ratings)
        ratings = result.rating
        before = stored.get((player.user_id, day))
        snapshots.append(snapshot_of(player, day, result, before, final=day < player.today))
    return snapshots
