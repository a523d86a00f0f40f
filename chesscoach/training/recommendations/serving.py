"""Serves recommendations: to each player at 06:00 of the player's own Monday.

A player who was missed is served later in the week, but not on Sunday, when the next ones are near.
The hourly runs of a Sunday are for players in the east, where it is Monday. They would serve all
other players too early.

A run reads a batch of players, plans their week, writes it, retires older weeks, and marks the week
as served. The mark comes last, so what a killed run has left is done by the next one.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta

from chesscoach.errors import ConfigError
from chesscoach.schedules.iso_week import Week
from chesscoach.training.batches import (
    count_failure,
    name_unreadable,
    process_batch,
    process_in_batches,
)
from chesscoach.training.context import TrainingContext
from chesscoach.training.player import Player, in_their_zones
from chesscoach.training.recommendations import rules
from chesscoach.training.recommendations.plan import Plan, plan_addition, plan_week
from chesscoach.training.zones import Zones
from chesscoach.worker.job import Run

SERVING_HOUR = 6
_LAST_DAY = 7
_REVIEW_WINDOW = timedelta(days=8)
"""How far back the low accuracies are looked for that have not refreshed a review."""


def week_key(player: Player) -> str:
    """The ISO week of a player's local date."""
    return Week.containing(player.today).key


def is_open(player: Player, now: datetime) -> bool:
    """Whether a player's week has recommendations: from 06:00 of its Monday on."""
    local = now.astimezone(player.zone)
    return local.isoweekday() > 1 or local.hour >= SERVING_HOUR


def _is_due(player: Player, now: datetime) -> bool:
    """Whether a run at `now` serves a player: the week is open, and this is not its last day."""
    return is_open(player, now) and player.today.isoweekday() != _LAST_DAY


async def serve(
    ctx: TrainingContext, run: Run, now: datetime, *, user_id: str | None = None
) -> None:
    """Serves the players whose week has begun; a manual run serves them again.

    Raises:
        ConfigError: there is no such user.
    """
    zones = await Zones.load(ctx.settings.timezone)
    seen = 0

    async def due() -> AsyncIterator[Sequence[Player]]:
        nonlocal seen
        async for page in ctx.players.pages(ctx.settings.batch, user_id, run.shard):
            seen += len(page)
            players = [
                player
                for player in in_their_zones(page, zones, now)
                if user_id is not None or _is_due(player, now)
            ]
            served = await ctx.recommendations.served(_weeks(players), only_later=run.manual)
            if players := [player for player in players if player.user_id not in served]:
                yield players

    async def serve_batch(players: Sequence[Player]) -> None:
        await _serve(ctx, run, now, players)

    await process_in_batches(run, due(), serve_batch)
    zones.report(run)
    if user_id is not None and not seen:
        msg = f"--user: there is no player {user_id!r}"
        raise ConfigError(msg)


async def refresh_reviews(
    ctx: TrainingContext, run: Run, now: datetime, *, user_id: str | None = None
) -> None:
    """Renews the review of each player with a new analysis of a low accuracy.

    A player who has dismissed it this week is left alone.
    """
    newest = await ctx.situations.low_analyses(now - _REVIEW_WINDOW)
    ids = sorted(key for key in newest if run.shard.contains(key) and user_id in (None, key))
    zones = await Zones.load(ctx.settings.timezone)

    async def refresh(players: Sequence[Player]) -> None:
        await _refresh(ctx, run, now, players, newest)

    for start in range(0, len(ids), ctx.settings.batch):
        if run.stopping:
            run.incomplete = True
            return
        stored = await ctx.players.find(ids[start : start + ctx.settings.batch])
        players = [player for player in in_their_zones(stored, zones, now) if is_open(player, now)]
        await process_batch(run, players, refresh)


async def _serve(ctx: TrainingContext, run: Run, now: datetime, players: Sequence[Player]) -> None:
    weeks = _weeks(players)
    situations = await ctx.situations.read(players, now)
    stored = await ctx.recommendations.of_weeks(weeks)
    plans: dict[str, Plan] = {}
    for player in players:
        try:
            candidates = rules.recommend(situations[player.user_id])
            plans[player.user_id] = plan_week(candidates, stored[player.user_id])
        except Exception as error:  # noqa: BLE001  # one player's data must not stop the others
            count_failure(run, player, error)
    await _write(ctx, run, now, plans, weeks, weekly=True)
    run.counts.done += len(plans)
    for player in players:
        name_unreadable(run, player, situations[player.user_id].activity)


async def _refresh(
    ctx: TrainingContext,
    run: Run,
    now: datetime,
    players: Sequence[Player],
    newest: Mapping[str, datetime],
) -> None:
    weeks = _weeks(players)
    later = await ctx.recommendations.served(weeks, only_later=True)
    stored = await ctx.recommendations.of_weeks(weeks)
    due = []
    for player in players:
        reviews = [
            item for item in stored[player.user_id] if item.content.type == rules.REVIEW_GAME
        ]
        known = reviews[0].content.metadata.get("newest_at") if reviews else None
        is_known = isinstance(known, datetime) and known >= _stored(newest[player.user_id])
        if (
            not is_known
            and player.user_id not in later
            and not any(r.is_dismissed for r in reviews)
        ):
            due.append(player)
    if not due:
        return
    activities = await ctx.situations.analyses(due)
    plans: dict[str, Plan] = {}
    for player in due:
        analyses = activities[player.user_id].analyses
        if review := rules.low_accuracy_review(analyses, player.today):
            plans[player.user_id] = plan_addition(review, stored[player.user_id])
    await _write(ctx, run, now, plans, weeks, weekly=False)
    if plans:
        run.counts.note("would_refresh_reviews" if run.dry_run else "reviews_refreshed", len(plans))


async def _write(
    ctx: TrainingContext,
    run: Run,
    now: datetime,
    plans: Mapping[str, Plan],
    weeks: Mapping[str, str],
    *,
    weekly: bool,
) -> None:
    if weekly and plans:
        active = sum(len(plan.active) for plan in plans.values())
        run.counts.note("would_recommend" if run.dry_run else "recommendations", active)
    if run.dry_run:
        return
    await ctx.recommendations.write(plans, weeks, now)
    if weekly:
        served = {user_id: weeks[user_id] for user_id in plans}
        if retired := await ctx.recommendations.finish_weeks(served, now):
            run.counts.note("recommendations_retired", retired)


def _weeks(players: Sequence[Player]) -> dict[str, str]:
    return {player.user_id: week_key(player) for player in players}


def _stored(at: datetime) -> datetime:
    """An instant as a database keeps it: to the millisecond."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
