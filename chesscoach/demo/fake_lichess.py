"""A fake of Lichess: users in bulk, exports as a stream, games by id."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from chesscoach.demo.fake_site import FakeSite
from chesscoach.demo.world import SimulatedGame, SimulatedPlayer, World

ENGINE = "Stockfish level "
_LINES_PER_CHUNK = 100


class FakeLichess(FakeSite):
    """The Lichess half of a world."""

    def __init__(self, world: World, *, delay_s: float = 0.0, users_per_10min: int = 8000) -> None:
        super().__init__(delay_s=delay_s)
        self.world = world
        self._allowance = users_per_10min
        self._asked: list[tuple[float, int]] = []

    def routes(self) -> list[web.RouteDef]:
        """The three paths that we request."""
        return [
            web.post("/api/users", self._users),
            web.get("/api/games/user/{name}", self._games),
            web.post("/api/games/export/_ids", self._games_by_id),
        ]

    def concurrency_error(self) -> web.Response:
        """The source's own form."""
        return web.json_response({"error": "Please only run 1 request(s) at a time"}, status=429)

    def advance_time(self, seconds: float) -> None:
        """Move the clocks; the allowance of ten minutes recovers too."""
        super().advance_time(seconds)
        self._asked = [(at - seconds, n) for at, n in self._asked]

    async def _users(self, request: web.Request) -> web.StreamResponse:
        ids = [name.strip().lower() for name in (await request.text()).split(",") if name.strip()]
        if len(ids) > 300:
            self.violations.append(f"{len(ids)} ids in one request")
            return web.json_response({"error": "Too many ids"}, status=400)
        now = asyncio.get_running_loop().time()
        self._asked = [(at, n) for at, n in self._asked if at > now - 600]
        if sum(n for _, n in self._asked) + len(ids) > self._allowance:
            self.violations.append("more users in ten minutes than allowed")
            return self.concurrency_error()
        self._asked.append((now, len(ids)))
        players = self.world.players["lichess"]
        users = [_user(key, players[key]) for key in ids if key in players]
        return await self.stream(request, [msgspec.json.encode(users)], "application/json")

    async def _games(self, request: web.Request) -> web.StreamResponse:
        player = self.world.players["lichess"].get(request.match_info["name"].lower())
        if player is None or player.closed or not request.headers.get("User-Agent"):
            return web.json_response({"error": "Not found"}, status=404)
        query = request.query
        since = int(query.get("since", 0))
        if "since" in query and since < 1_356_998_400_070:
            self.violations.append("since is not in milliseconds")
        games = [
            game
            for game in player.games
            if _ms(game.started_at) >= since and _is_exported(game, query.get("ongoing") == "true")
        ]
        if query.get("finished") == "false":
            games = [game for game in games if game.ended_at is None]
        games.sort(key=lambda game: game.started_at, reverse=query.get("sort") != "dateAsc")
        return await self._ndjson(request, games[: int(query.get("max", len(games)))])

    async def _games_by_id(self, request: web.Request) -> web.StreamResponse:
        ids = (await request.text()).split(",")
        if len(ids) > 300:
            self.violations.append(f"{len(ids)} games in one request")
        games = [self.world.games.get(f"lichess:{game_id}") for game_id in ids]
        exported = [game for game in games if game is not None and game.status != "aborted"]
        return await self._ndjson(request, exported)

    async def _ndjson(
        self, request: web.Request, games: Iterable[SimulatedGame]
    ) -> web.StreamResponse:
        lines = [msgspec.json.encode(lichess_json(game)) + b"\n" for game in games]
        chunks = [
            b"".join(lines[at : at + _LINES_PER_CHUNK])
            for at in range(0, len(lines), _LINES_PER_CHUNK)
        ]
        return await self.stream(request, chunks, "application/x-ndjson")


def _is_exported(game: SimulatedGame, ongoing: bool) -> bool:
    """Whether an export has a game: only finished ones, or with `ongoing=true` all."""
    return ongoing or game.is_listed


def _on_the_clock(game: SimulatedGame) -> bool:
    return game.is_listed and game.speed != "correspondence"


def _user(key: str, player: SimulatedPlayer) -> dict[str, Any]:
    if player.closed:
        return {"id": key, "username": player.name, "disabled": True}
    rated = sum(game.rated and game.is_listed for game in player.games)
    user: dict[str, Any] = {
        "id": key,
        "username": player.name,
        "perfs": {"rapid": {"games": rated, "rating": 1612, "rd": 48, "prog": 6}},
        "createdAt": 1_500_000_000_000,
        "seenAt": _ms(player.seen_at),
        "playTime": {"total": 600 * sum(map(_on_the_clock, player.games)), "tv": 0},
    }
    return user | ({"title": player.title} if player.title else {})


def lichess_json(game: SimulatedGame) -> dict[str, Any]:
    """A game in the form of a line of an export."""
    done = game.ended_at is not None
    winner = {"1-0": "white", "0-1": "black"}.get(game.historical.result) if done else None
    status = game.status
    if done and winner is None and status == "resign":
        status = "draw"
    elif done and status == "resign" and game.historical.moves.endswith("#"):
        status = "mate"
    started = game.started_at
    pgn = (
        f'[Event "rated {game.speed} game"]\n[Site "{game.url}"]\n'
        f'[Date "{started:%Y.%m.%d}"]\n[White "{game.white}"]\n[Black "{game.black}"]\n'
        f'[Result "{game.historical.result if done else "*"}"]\n[UTCDate "{started:%Y.%m.%d}"]\n'
        f'[UTCTime "{started:%H:%M:%S}"]\n[ECO "{game.historical.eco}"]\n\n{movetext(game)}\n\n\n'
    )
    line: dict[str, Any] = {
        "id": game.id,
        "rated": game.rated,
        "variant": game.variant or "standard",
        "speed": game.speed,
        "perf": game.speed,
        "createdAt": _ms(started),
        "lastMoveAt": _ms(game.ended_at or started),
        "status": status,
        "source": "pool",
        "players": {"white": _side(game.white, 1612), "black": _side(game.black, 1598)},
        "opening": {"eco": game.historical.eco, "name": game.historical.opening, "ply": 4},
        "moves": game.historical.moves,
        "pgn": pgn,
    }
    line |= {"winner": winner} if winner else {}
    line |= {"initialFen": game.initial_fen} if game.initial_fen else {}
    if game.speed == "correspondence":
        line["daysPerTurn"] = 3
    else:
        line["clock"] = {"initial": 600, "increment": 0, "totalTime": 600}
    return game.with_overrides(line)


def _side(name: str, rating: int) -> dict[str, Any]:
    if not name:
        return {}
    if name.startswith(ENGINE):
        return {"aiLevel": int(name.removeprefix(ENGINE))}
    return {"user": {"name": name, "id": name.lower()}, "rating": rating}


def movetext(game: SimulatedGame, clocks: bool = False) -> str:
    """The moves as PGN, with clock comments if the source writes them."""
    words = []
    for ply, san in enumerate(game.historical.moves.split()):
        number = f"{ply // 2 + 1}." if ply % 2 == 0 else f"{ply // 2 + 1}..." if clocks else ""
        words += [word for word in (number, san) if word]
        if clocks:
            left = 600 - 2 * ply
            words.append(f"{{[%clk 0:{left // 60:02}:{left % 60:02}]}}")
    return " ".join((*words, game.historical.result if game.ended_at else "*"))


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
