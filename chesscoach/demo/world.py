"""The world of the fakes: players and their games.

The games are historical ones (`famous.toml`), assigned to sample players. Everything follows from
the seed and the anchor, so that another process can build the same world.
"""

import random
import tomllib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, Literal
from uuid import UUID, uuid5

from msgspec import Struct

SourceName = Literal["lichess", "chess.com"]
_NAMESPACE = UUID("2f1c3f52-5a53-4a6e-9b6e-7c1d0f0f3a11")
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class HistoricalGame(Struct, frozen=True):
    """A historical game; `moves` in SAN, `tcn` in Chess.com's notation, `fen` its last position."""

    white: str
    black: str
    event: str
    year: int
    result: str
    eco: str
    opening: str
    moves: str
    fen: str
    tcn: str


@cache
def historical_games() -> tuple[HistoricalGame, ...]:
    """All of `famous.toml`."""
    text = resources.files("chesscoach.demo").joinpath("famous.toml").read_text("utf-8")
    return tuple(HistoricalGame(**game) for game in tomllib.loads(text)["game"])


class SimulatedGame(Struct, kw_only=True):
    """A game on one source, between two names there; `ended_at` is None while it is being played.

    - an empty name: an anonymous player of Lichess; `Stockfish level 5`: an engine
    - `status`: Lichess's status; `variant`: the source's name of other rules than standard ones
    - `initial_fen`: the initial position, if it is not the usual one
    - `keys`: Chess.com's uuids of White and Black; `accuracies`: those of a reviewed game
    - `month`: the archive month on Chess.com, if it is not that of the end
    - `fields`: overrides of the source's own fields; None removes a field
    """

    number: int
    site: SourceName
    white: str
    black: str
    historical: HistoricalGame
    started_at: datetime
    ended_at: datetime | None
    speed: str = "rapid"
    rated: bool = True
    status: str = "resign"
    variant: str = ""
    initial_fen: str | None = None
    keys: tuple[str, str] = ("", "")
    accuracies: tuple[float, float] | None = None
    month: str | None = None
    fields: dict[str, Any] = {}

    @property
    def is_listed(self) -> bool:
        """Whether the source lists it among the finished games: not if it was aborted."""
        return self.ended_at is not None and self.status != "aborted"

    def with_overrides(self, document: dict[str, Any]) -> dict[str, Any]:
        """Apply `fields` to the source's document of the game."""
        return {key: value for key, value in (document | self.fields).items() if value is not None}

    @property
    def id(self) -> str:
        """The source's id: eight characters on Lichess, a uuid on Chess.com."""
        if self.site == "chess.com":
            return str(uuid5(_NAMESPACE, f"game:{self.number}"))
        rest, text = uuid5(_NAMESPACE, f"lichess:{self.number}").int, ""
        for _ in range(8):
            rest, digit = divmod(rest, 62)
            text += _BASE62[digit]
        return text

    @property
    def url(self) -> str:
        """The URL of the game at its source."""
        if self.site == "lichess":
            return f"https://lichess.org/{self.id}"
        kind = "daily" if self.speed == "daily" else "live"
        return f"https://www.chess.com/game/{kind}/{170_000_000_000 + self.number}"


class SimulatedPlayer(Struct, kw_only=True):
    """A player on one source; `seen_at` is the last connection.

    `key` is Chess.com's uuid of the player, whatever the name; `gone` are the months for which
    Chess.com responds 410.
    """

    name: str
    seen_at: datetime
    closed: bool = False
    title: str | None = None
    key: str = ""
    gone: set[str] = set()
    games: list[SimulatedGame] = []


def player_uuid(name: str) -> str:
    """Chess.com's uuid of the first player with a name."""
    return str(uuid5(_NAMESPACE, f"player:{name.lower()}"))


class World:
    """The players of both sources, by lower-cased name.

    `renamed` maps old names of Chess.com's players to their new ones.
    """

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)  # noqa: S311  # a sample world, no secrets
        self._number = 0
        self.players: dict[SourceName, dict[str, SimulatedPlayer]] = {
            "lichess": {},
            "chess.com": {},
        }
        self.games: dict[str, SimulatedGame] = {}
        self.renamed: dict[str, str] = {}

    def add_player(self, site: SourceName, name: str, seen_at: datetime) -> SimulatedPlayer:
        """Add a player without games; on Chess.com the name may be one that became free again."""
        key = player_uuid(name)
        if self.renamed.pop(name.lower(), None) is not None:
            key = str(uuid5(_NAMESPACE, f"player:{name.lower()}:{len(self.players[site])}"))
        player = SimulatedPlayer(name=name, seen_at=seen_at, key=key, games=[], gone=set())
        self.players[site][name.lower()] = player
        return player

    def rename(self, old: str, new: str) -> None:
        """Rename a Chess.com player, also in the games played before."""
        player = self.players["chess.com"].pop(old.lower())
        for game in player.games:
            game.white = new if game.white == player.name else game.white
            game.black = new if game.black == player.name else game.black
        player.name = new
        self.players["chess.com"][new.lower()] = player
        self.renamed[old.lower()] = new.lower()
        self.renamed.pop(new.lower(), None)

    def add_game(
        self,
        site: SourceName,
        name: str,
        ended_at: datetime | None,
        *,
        started_at: datetime | None = None,
        famous: HistoricalGame | None = None,
        opponent: str | None = None,
        speed: str = "rapid",
        status: str = "resign",
        **more: Any,
    ) -> SimulatedGame:
        """Add a game of a player, who is seen at its end; `more` as in `SimulatedGame`."""
        self._number += 1
        famous = famous or self._random.choice(historical_games())
        player = self.players[site][name.lower()]
        other = f"Opponent{self._number % 97}" if opponent is None else opponent
        white, black = (player.name, other) if self._random.random() < 0.5 else (other, player.name)
        begun = started_at or (ended_at or player.seen_at) - timedelta(minutes=20)
        game = SimulatedGame(
            number=self._number,
            site=site,
            white=white,
            black=black,
            historical=famous,
            started_at=begun,
            ended_at=ended_at,
            speed=speed,
            status=status if ended_at else "started",
            keys=(self._key(site, white), self._key(site, black)),
            **more,
        )
        for side in (player, self.players[site].get(other.lower())):
            if side is not None:
                side.games.append(game)
                side.seen_at = max(side.seen_at, ended_at or begun)
        self.games[f"{site}:{game.id}"] = game
        return game

    def _key(self, site: SourceName, name: str) -> str:
        known = self.players[site].get(name.lower())
        return known.key if known else player_uuid(name)

    def finished_games(self, site: SourceName, name: str) -> Iterator[SimulatedGame]:
        """A player's finished games, without aborted ones."""
        return (game for game in self.players[site][name.lower()].games if game.is_listed)


def sample_world(anchor: datetime, seed: int = 7) -> tuple[World, list[tuple[str, str, str]]]:
    """Build a world of six players, each as (user_id, name on Lichess, name on Chess.com).

    Args:
        anchor: the end of all games.
        seed: the seed of the games.
    """
    world = World(seed)
    chance = random.Random(seed + 1)  # noqa: S311  # as above
    members = [
        ("alice", "AliceKnight", "alice_knight"),
        ("bob", "BobTheRook", "bob-rook"),
        ("carol", "Carol_en_passant", ""),
        ("dave", "", "DaveGambit"),
        ("erin", "ErinFianchetto", "erin_f"),
        ("frank", "FrankZwischenzug", "frank64"),
    ]
    sites: Iterable[tuple[SourceName, int]] = (("lichess", 1), ("chess.com", 2))
    for member in members:
        for site, place in sites:
            if name := member[place]:
                world.add_player(site, name, anchor - timedelta(days=30))
                lately = chance.sample(range(1, 14), 6)
                for back in sorted(chance.sample(range(14, 60), 6) + lately, reverse=True):
                    ended = anchor - timedelta(days=back, minutes=chance.randrange(600))
                    world.add_game(site, name, ended, speed=chance.choice(["blitz", "rapid"]))
    return world, members
