"""A club whose members play at random on both sites, for tests that last for days."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from chesscoach.demo.world import SimulatedGame, SourceName
from tests.conftest import FakeSites
from tests.support.sync.sync_members import ANALYSABLE_GAME, PLATFORMS, SHORT_GAME

MONTH_START = datetime(2026, 11, 1, tzinfo=UTC)
"""A month's turn, about which more is played than else."""

_SLOW_SPEEDS: dict[SourceName, str] = {"lichess": "correspondence", "chess.com": "daily"}


class Season:
    """Players of both sites, some of whose games go on for days.

    `users` are their users, by the player's name; some players are two users'.
    """

    def __init__(self, chance: random.Random, sites: FakeSites, db: Any) -> None:
        self._chance = chance
        self._world = sites.world
        self._moves = (MONTH_START, MONTH_START - sites.chesscom.ahead)
        self._users = db.users
        self._unfinished: list[tuple[datetime, str, SimulatedGame]] = []
        self.names: list[str] = []
        self.users: dict[str, str] = {}

    def add_player(self, at: datetime, *, synced: bool, twin: bool = False) -> None:
        """A new player: one whom the application has synced, or one who has a past to be fetched.

        A twin is a second user of the same accounts.
        """
        name = f"P{len(self.names)}"
        for site in PLATFORMS:
            self._world.add_player(site, name, at - timedelta(days=90))
            for _ in range(0 if synced else 4):
                ended = at - timedelta(days=self._chance.uniform(0, 80))
                self._world.add_game(site, name, ended, famous=ANALYSABLE_GAME)
        self.names.append(name)
        fields = {"last_game_sync": (at - timedelta(hours=6)).isoformat()} if synced else {}
        self._link(name.lower(), name, **fields)
        if twin:
            self._link(f"twin{name.lower()}", name.lower())
        if synced:
            long_ago = at - timedelta(days=self._chance.uniform(1, 20))
            ends = at + timedelta(days=self._chance.uniform(0, 6))
            self._play("lichess", name, long_ago, ends, at, speed="correspondence")

    def _link(self, user_id: str, name: str, **fields: str) -> None:
        self.users[user_id] = name
        names = {"lichess_username": name, "chess_com_username": name}
        self._users.insert_one({"user_id": user_id, **names, **fields})

    def play(self, since: datetime, until: datetime) -> None:
        """What happens between two instants."""
        self._end(until)
        for name in self.names:
            for site in PLATFORMS:
                if self._chance.random() < 0.15:
                    for _ in range(self._chance.randint(1, 3)):
                        self._begin(site, name, since, until)
                for turn in self._moves:
                    ends = turn + timedelta(seconds=self._chance.choice((-1800, -1, 0, 1, 1800)))
                    started = ends - timedelta(minutes=20)
                    if since < started <= until and self._chance.random() < 0.5:
                        self._play(site, name, started, ends, until, famous=ANALYSABLE_GAME)

    def _end(self, until: datetime) -> None:
        """The player who ends a slow game may have moved last long ago and not be there."""
        for ends, status, game in [each for each in self._unfinished if each[0] <= until]:
            self._unfinished.remove((ends, status, game))
            game.ended_at, game.status = ends, status
            if game.speed not in _SLOW_SPEEDS.values() or self._chance.random() < 0.5:
                for name in (game.white.lower(), game.black.lower()):
                    if player := self._world.players[game.site].get(name):
                        player.seen_at = max(player.seen_at, ends)

    def _begin(self, site: SourceName, name: str, since: datetime, until: datetime) -> None:
        chance = self._chance
        started = since + chance.random() * (until - since)
        slow = chance.random() < 0.2
        ends = started + timedelta(hours=chance.uniform(0, 60) if slow else chance.uniform(0, 0.7))
        status = "aborted" if chance.random() < 0.1 else "resign"
        self._play(
            site,
            name,
            started,
            ends,
            until,
            famous=chance.choice((ANALYSABLE_GAME, SHORT_GAME)),
            opponent=self._opponent(site, name),
            speed=_SLOW_SPEEDS[site] if slow else chance.choice(("bullet", "blitz", "rapid")),
            status=status,
            variant="standard" if chance.random() < 0.9 else "crazyhouse",
            rated=chance.random() < 0.7,
        )

    def _play(
        self,
        site: SourceName,
        name: str,
        started: datetime,
        ends: datetime,
        now: datetime,
        *,
        status: str = "resign",
        **more: Any,
    ) -> None:
        """A game as it stands now: one that ends later is being played.

        A site shows a game from its start, so none may turn up once the sites were asked after it.
        """
        ended = ends if ends <= now else None
        game = self._world.add_game(site, name, ended, started_at=started, status=status, **more)
        if ended is None:
            self._unfinished.append((ends, status, game))

    def _opponent(self, site: SourceName, name: str) -> str | None:
        """A stranger, another of the club, or on Lichess the engine."""
        other = self._chance.choice(self.names)
        if self._chance.random() < 0.2 and other != name:
            return other
        return "Stockfish level 3" if site == "lichess" and self._chance.random() < 0.1 else None
