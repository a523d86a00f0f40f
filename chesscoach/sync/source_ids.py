"""A source's own id of a game, as a URL or a tag of a PGN has it.

One game of Chess.com has several URLs (`/game/live/N`, `/game/daily/N`, `/game/UUID`), and Lichess
adds the player's side. The application's manual imports have no URL, but `[Link]` or `[Site]`.
"""

import re

from chesscoach.sources import pgn as pgns
from chesscoach.sources.game import Game

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LICHESS_PATTERN = re.compile(
    r"\b(?i:lichess\.org)/(?:embed/)?(?:game/)?([A-Za-z0-9]{8})(?:[A-Za-z0-9]{4})?(?![A-Za-z0-9_-])"
)
_CHESSCOM_PATTERN = re.compile(
    rf"\bchess\.com/(?:[a-z-]+/){{0,4}}?game/(?:[a-z]+/){{0,2}}(\d{{1,20}}|{_UUID})(?![0-9a-z-])",
    re.IGNORECASE,
)
_MAX_TEXT_LENGTH = 500
"""Characters of a text in which an id is looked for; no URL of a game is as long."""

_LICHESS_SIDES = ("", "/white", "/black")
_CHESSCOM_PATHS = ("game/live", "game/daily", "live/game", "daily/game", "game")


def ids_in(text: object) -> set[str]:
    """The ids of games in a text, each with its source: `lichess:aB3dE5fG`; empty if no text."""
    if type(text) is not str:  # a BSON code is a subclass
        return set()
    head = text[:_MAX_TEXT_LENGTH]
    lichess = {f"lichess:{match[1]}" for match in _LICHESS_PATTERN.finditer(head)}
    return lichess | {f"chess.com:{match[1].lower()}" for match in _CHESSCOM_PATTERN.finditer(head)}


def ids_of(game: Game) -> set[str]:
    """Every id under which a source has shown a game."""
    ids = {f"{game.platform}:{game.external_id}", game.url} | ids_in(game.url)
    if game.platform == "chess.com":  # its `url` has had a number and a uuid
        tags = pgns.parse_tags(game.pgn)
        ids |= ids_in(tags.get("link")) | ids_in(tags.get("site"))
    return ids


def urls_of(game: Game) -> set[str]:
    """The URLs under which the application may have stored a game."""
    if game.platform == "lichess":
        return {game.url + side for side in _LICHESS_SIDES}
    urls = {game.url}
    for _, _, id_ in (key.partition("chess.com:") for key in ids_of(game)):
        paths = _CHESSCOM_PATHS if id_.isdecimal() else ("game",)
        urls |= {f"https://www.chess.com/{path}/{id_}" for path in paths if id_}
    return urls
