"""Applies batches of the ledger to the players' progress, and what follows from it.

Each player's awards are gone through in their order, so that an achievement is dated by the award
that unlocked it, whichever run books it. The order of writes: rewards into the ledger,
notifications, achievements, counters, and at last the state. A run that is killed in between does
it again with the same results: each key is the cause, and until the counters have a batch, all that
follows from it is calculated from what they were before it.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chesscoach.momentum import notifications
from chesscoach.momentum.achievements import PlayerStats, unlock
from chesscoach.momentum.booking import counters
from chesscoach.momentum.check import Check
from chesscoach.momentum.levels import level_for
from chesscoach.momentum.periods import KINDS
from chesscoach.momentum.player import Player
from chesscoach.momentum.points import Action, Award, ledger_key
from chesscoach.momentum.store.achievements import Unlocked
from chesscoach.momentum.store.events import Entry
from chesscoach.players.store.notifications import Notification

_STAT_OF: dict[Action, str] = {
    "game_imported": "games_imported",
    "game_analyzed": "games_analyzed",
    "puzzle_solved": "puzzles_solved",
    "no_blunders": "no_blunders_games",
}


class Progress(Struct, frozen=True, kw_only=True):
    """What a batch does to a player: the totals, the rewards, and the levels reached by day."""

    points: int
    stats: dict[str, int]
    accuracy: float | None
    rewards: tuple[Award, ...]
    levels: dict[date, int]


async def apply_batches(check: Check) -> None:
    """Applies every batch that is not applied; rewards make further batches."""
    while check.state.applied < check.state.batch:
        batch = check.state.applied + 1
        if (simulated := check.dry.batches.pop(batch, None)) is not None:
            await _apply_page(check, batch, simulated)
        else:
            async for by_user in check.ctx.ledger.batch_by_user(batch):
                await _apply_page(check, batch, by_user)
        if not check.run.dry_run:
            await check.ctx.state.save(check.run.fence, applied=batch)
        check.state = replace(check.state, applied=batch)


async def _apply_page(check: Check, batch: int, by_user: Mapping[str, Sequence[Entry]]) -> None:
    ctx = check.ctx
    players = {
        user_id: player
        for user_id, player in (await check.players_of(by_user)).items()
        if player.batch < batch
    }
    owned = await _owned_before(check, batch, players)
    bookings, rewards = list[dict[str, Any]](), list[Award]()
    raised, unlocked, after = list[Notification](), list[Unlocked](), dict[str, Player]()
    for user_id, player in players.items():
        awards = [entry.award for entry in by_user[user_id]]
        progress = progress_of(player, awards, owned.get(user_id, set()))
        rewards += progress.rewards
        unlocked += [
            Unlocked(user_id=user_id, achievement=award.ref, at=award.at)
            for award in progress.rewards
        ]
        raised += [notifications.level_up(user_id, *reached) for reached in progress.levels.items()]
        moved = {
            kind: counters.add(player.counters[kind], counters.sums(kind, by_user[user_id]))
            for kind in KINDS
        }
        bookings.append(
            {
                "id": player.id,
                "points": progress.points,
                "stats": progress.stats,
                "accuracy": progress.accuracy,
                "counters": moved,
            }
        )
        stats = _sum(player.stats, progress)
        after[user_id] = replace(player, batch=batch, stats=stats, counters=moved)
    await check.add(rewards, players, check.now)
    check.note("levels_reached", len(raised))
    check.note("achievements", len(unlocked))
    if check.run.dry_run:
        await check.unlock(unlocked)
        for user_id, player in after.items():
            check.dry.change(players[user_id], player)
        return
    await ctx.notifications.put(raised, check.now)
    await check.unlock(unlocked)
    await ctx.progress.apply(bookings, batch, check.now)


async def _owned_before(check: Check, batch: int, user_ids: Collection[str]) -> dict[str, set[str]]:
    """The achievements of players, but those that a killed run has unlocked for this batch."""
    owned = await check.owned_by(user_ids)
    if check.state.batch == batch:  # no reward of it is in the ledger
        return owned
    keys = {
        (user_id, achievement): ledger_key("achievement_unlocked", user_id, achievement)
        for user_id, achievements in owned.items()
        for achievement in achievements
    }
    batches = await check.ctx.ledger.existing(keys.values())
    for (user_id, achievement), key in keys.items():
        if batches.get(key, 0) > batch:
            owned[user_id].remove(achievement)
    return owned


def progress_of(player: Player, awards: Sequence[Award], owned: set[str]) -> Progress:
    """What a batch's awards do to a player, in the order of their instants.

    The batch of an award has notified the level that its rewards lead to.
    """
    ordered = sorted(awards, key=lambda award: (award.at, award.key))
    points = sum(award.points for award in ordered)
    counted = _stats_of(ordered)
    accuracy = max((a.accuracy for a in ordered if a.accuracy is not None), default=None)
    stats = player.stats
    rewards, unlocked, levels = list[Award](), set(owned), dict[date, int]()
    for award in ordered:
        earlier, stats = stats, _after(stats, award)
        for achievement in unlock(stats, unlocked, earlier):
            unlocked.add(achievement.id)
            stats = replace(stats, xp=stats.xp + achievement.reward)
            rewards.append(
                Award(
                    action="achievement_unlocked",
                    user_id=player.user_id,
                    ref=achievement.id,
                    points=achievement.reward,
                    at=award.at,
                    day=award.day,
                )
            )
        is_notified = award.action == "achievement_unlocked" and not award.lifetime
        if not is_notified and level_for(stats.xp) > level_for(earlier.xp):
            levels[award.day] = level_for(stats.xp)
    return Progress(
        points=points,
        stats=counted,
        accuracy=accuracy,
        rewards=tuple(rewards),
        levels=levels,
    )


def _stats_of(awards: Sequence[Award]) -> dict[str, int]:
    return dict(Counter(name for award in awards for name in _stat_names(award.action)))


def _stat_names(action: Action) -> tuple[str, ...]:
    if action == "puzzle_solved_fast":
        return ("puzzles_solved", "fast_puzzles")
    return (_STAT_OF[action],) if action in _STAT_OF else ()


def _sum(stats: PlayerStats, progress: Progress) -> PlayerStats:
    """The values of a player after a batch; its rewards make the next one."""
    counted = {name: getattr(stats, name) + added for name, added in progress.stats.items()}
    accuracy = max(stats.best_accuracy, progress.accuracy or 0)
    return replace(stats, xp=stats.xp + progress.points, best_accuracy=accuracy, **counted)


def _after(stats: PlayerStats, award: Award) -> PlayerStats:
    """The values of a player after one more award."""
    changed: dict[str, Any] = {name: getattr(stats, name) + 1 for name in _stat_names(award.action)}
    if award.accuracy is not None:
        changed["best_accuracy"] = max(stats.best_accuracy, award.accuracy)
    return replace(
        stats, xp=stats.xp + award.points, streak=max(stats.streak, award.streak or 0), **changed
    )
