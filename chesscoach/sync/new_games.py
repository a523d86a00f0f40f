"""Notifications of new games: one for each user and run that brought some.

An account's state is saved before its users are notified. A run that is killed in between notifies
fewer users, and no later run notifies a user of the same games.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec import Struct

from chesscoach.players.store.notifications import Notification
from chesscoach.sources.game import Platform
from chesscoach.sources.source import SOURCES
from chesscoach.sync.context import SyncContext
from chesscoach.sync.store.game_documents import UserGame

_KIND = "game_analyzed"
_TITLE = "♟️ New Game Analyzed"
"""Type and title that the application itself gives to a sync that brought games."""

_PAGE = "/game/{game_id}"
"""The application's page of a game."""


class NewGames(Struct, frozen=True, kw_only=True):
    """The games that a run has brought a user from one account."""

    count: int
    newest: UserGame
    first_sync: bool


def count_by_user(games: Iterable[UserGame], *, first_sync: bool) -> dict[str, NewGames]:
    """The new games of each user."""
    by_user: dict[str, list[UserGame]] = defaultdict(list)
    for item in games:
        by_user[item.user_id].append(item)
    return {
        user_id: NewGames(
            count=len(items),
            newest=max(items, key=lambda item: item.game.ended_at),
            first_sync=first_sync,
        )
        for user_id, items in by_user.items()
    }


def add_counts(
    first: Mapping[str, NewGames], second: Mapping[str, NewGames]
) -> dict[str, NewGames]:
    """The sums, by user."""
    sums = dict(first)
    for user_id, added in second.items():
        earlier = sums.get(user_id)
        sums[user_id] = (
            added
            if earlier is None
            else NewGames(
                count=earlier.count + added.count,
                newest=max(earlier.newest, added.newest, key=lambda item: item.game.ended_at),
                first_sync=earlier.first_sync or added.first_sync,
            )
        )
    return sums


async def notify_of_new_games(
    ctx: SyncContext, run_id: str, platform: Platform, by_user: Mapping[str, NewGames]
) -> None:
    """Notifies users of a run's games from one source; a later call corrects the count."""
    keys = {user_id: f"new_games:{run_id}:{user_id}" for user_id in by_user}
    known = await ctx.notifications.data_of(list(keys.values()))
    notifications = []
    for user_id, games in by_user.items():
        counts: dict[str, int] = dict(known.get(keys[user_id], {}).get("counts", {}))
        field = SOURCES[platform].key
        counts[field] = max(games.count, counts.get(field, 0))
        notifications.append(_notification(keys[user_id], user_id, counts, games))
    await ctx.notifications.put(notifications, ctx.now())


def _notification(
    key: str, user_id: str, counts: Mapping[str, int], games: NewGames
) -> Notification:
    count = sum(counts.values())
    names = " and ".join(source.name for source in SOURCES.values() if source.key in counts)
    game_id = games.newest.game_id
    return Notification(
        key=key,
        user_id=user_id,
        kind=_KIND,
        title=_TITLE,
        message=f"{count} new game{'s' if count > 1 else ''} from {names}.",
        data={
            "count": count,
            "platform": names,
            "is_first_sync": games.first_sync,
            "game_id": game_id,
            "counts": counts,
        },
        page=_PAGE.format(game_id=game_id),
    )
