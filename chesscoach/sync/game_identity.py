"""What a game is to a user: its ids, and the side that the user played."""

from collections.abc import Iterable
from hashlib import sha1
from uuid import UUID

from chesscoach.sources.game import Colour, Game
from chesscoach.sync.account import Account

NAMESPACE = UUID("b3a1f6de-5f1c-4f43-9d0a-3c2f1a7e9b10")
_NAMESPACE_HASH = sha1(NAMESPACE.bytes, usedforsecurity=False)


def game_id(game: Game, user_id: str) -> str:
    """Returns the id of a user's game: the same in every process and every run."""
    return _uuid5(f"{game.platform}:{game.external_id}:{user_id}")


def notification_key(account: Account, user_id: str) -> str:
    """Returns the key of a status notification: one per user for each time an account lapses."""
    return f"{account.key}:{account.status}:{account.lapse_count}:{user_id}"


def queue_id(stored_game_id: str) -> str:
    """Returns the id of a stored game's analysis item: a second offer adds no second item."""
    return _uuid5(f"analysis:{stored_game_id}")


def colour_of(game: Game, account: Account) -> Colour | None:
    """Returns the account's side, by its key at the source, else by its name; None if neither."""
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


def newest_games(games: Iterable[Game], limit: int) -> list[Game]:
    """Returns the newest games, at most `limit`, newest first."""
    return sorted(games, key=lambda game: game.ended_at, reverse=True)[: max(limit, 0)]


def _uuid5(name: str) -> str:
    """Returns the text of the UUID of version 5 of a name in our namespace (RFC 9562, 5.5).

    `uuid.uuid5` takes four times as long: a twentieth of the time in which a game is stored.
    """
    digest = _NAMESPACE_HASH.copy()
    digest.update(name.encode())
    text = digest.hexdigest()
    variant = "89ab"[int(text[16], 16) % 4]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"
