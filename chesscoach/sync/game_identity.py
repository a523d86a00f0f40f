"""What a game is to a user: its identity, their colour, and whether it is worth an analysis."""

from collections.abc import Iterable
from uuid import UUID, uuid5

from chesscoach.sources.game import Colour, Game
from chesscoach.sync.account import Account

_NAMESPACE = UUID("b3a1f6de-5f1c-4f43-9d0a-3c2f1a7e9b10")
_SPEEDS = frozenset({"rapid", "blitz", "classical", "daily", "correspondence"})


def game_id(game: Game, user_id: str) -> str:
    """The same for the same game and user, whichever process stores it and however often."""
    return str(uuid5(_NAMESPACE, f"{game.platform}:{game.external_id}:{user_id}"))


def notification_key(account: Account, user_id: str) -> str:
    """The notification of an account's status: one per user for each time that it lapses."""
    return f"{account.key}:{account.status}:{account.lapse_count}:{user_id}"


def queue_id(stored_game_id: str) -> str:
    """The analysis item of a stored game: one, however often it is offered."""
    return str(uuid5(_NAMESPACE, f"analysis:{stored_game_id}"))


def colour_of(game: Game, account: Account) -> Colour | None:
    """The account's side, by the source's own identity first and by name else; None if neither."""
    for key in (account.player_key, account.name):
        if key is not None:
            if game.white.key == key:
                return "white"
            if game.black.key == key:
                return "black"
    names = (game.white.name.lower(), game.black.name.lower())
    if account.name in names:
        return "white" if names[0] == account.name else "black"
    return None


def is_worth_analysing(game: Game, moves: int) -> bool:
    """Whether the queue takes it: the usual rules and speeds, enough full moves, at least one."""
    return game.standard and game.speed in _SPEEDS and game.plies >= 2 * max(moves, 1)


def newest_games(games: Iterable[Game], limit: int) -> list[Game]:
    """The newest games, at most `limit`, newest first."""
    return sorted(games, key=lambda game: game.ended_at, reverse=True)[: max(limit, 0)]
