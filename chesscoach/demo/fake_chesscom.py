"""A fake of Chess.com's public API: the profile and the archive months of a player."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from chesscoach.demo.fake_lichess import movetext
from chesscoach.demo.fake_site import FAULT, FakeSite
from chesscoach.demo.world import SimulatedGame, World

_STANDARD_FEN = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"


class FakeChesscom(FakeSite):
    """The Chess.com half of a world, below `/pub`.

    `now` is its clock; `ahead` is how far the zone of its months is ahead of UTC. Its response for
    a player's old name is not documented: it redirects the profile, and the months too unless
    `months_move` is False; then they are not found.
    """

    def __init__(self, world: World, *, delay_s: float = 0.0) -> None:
        super().__init__(delay_s=delay_s)
        self.world = world
        self.now: Callable[[], datetime] = partial(datetime.now, UTC)
        self.ahead = timedelta(0)
        self.months_move = True

    def routes(self) -> list[web.RouteDef]:
        """The paths that we request."""
        return [
            web.get("/pub/player/{name}/games/{year:\\d+}/{month:\\d+}", self._month),
            web.get("/pub/player/{name}", self._profile),
        ]

    def concurrency_error(self) -> web.Response:
        """The source's own form."""
        return web.json_response({"code": 0, "message": "Rate limit exceeded"}, status=429)

    def _error_response(self, request: web.Request) -> web.Response | None:
        """The error or redirect of a request, if any."""
        if "contact" not in request.headers.get("User-Agent", ""):
            self.violations.append("no contact in the User-Agent")
            return web.Response(status=403, text="Please provide contact information")
        name = request.match_info["name"]
        if name != name.lower():
            self.violations.append(f"capitals in {name}")
            raise web.HTTPMovedPermanently(request.path.replace(name, name.lower()))
        new = self.world.renamed.get(name)
        if new and (self.months_move or "month" not in request.match_info):
            raise web.HTTPMovedPermanently(
                request.path.replace(f"/player/{name}", f"/player/{new}")
            )
        player = self.world.players["chess.com"].get(name)
        if player is None or (player.closed and "month" in request.match_info):
            return _error(f'User "{name}" not found.')
        return None

    async def _profile(self, request: web.Request) -> web.StreamResponse:
        if error := self._error_response(request):
            return error
        player = self.world.players["chess.com"][request.match_info["name"]]
        return web.json_response(
            {
                "@id": f"https://api.chess.com/pub/player/{player.name.lower()}",
                "url": f"https://www.chess.com/member/{player.name}",
                "username": player.name.lower(),
                "player_id": UUID(player.key).int % 10**9,
                "uuid": player.key,
                "status": "closed" if player.closed else "basic",
                "country": "https://api.chess.com/pub/country/NO",
                "joined": 1_500_000_000,
                "last_online": int(player.seen_at.timestamp()),
            }
        )

    async def _month(self, request: web.Request) -> web.StreamResponse:
        if error := self._error_response(request):
            return error
        name = request.match_info["name"]
        month = f"{request.match_info['year']}-{request.match_info['month']}"
        if month in self.world.players["chess.com"][name].gone:
            return web.json_response({"code": 0, "message": "Gone"}, status=410)
        if month > self.month_of(self.now()):
            return _error("Date cannot be set in the future")
        text, etag = self.month(name, month)
        headers = {"ETag": etag, "Cache-Control": "public, max-age=5"}
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        if request[FAULT] in ("cut", "short"):
            return await self.stream(request, [text], "application/json")
        return web.Response(body=text, content_type="application/json", headers=headers)

    def month(self, name: str, month: str) -> tuple[bytes, str]:
        """A player's month: the body of the response and its ETag."""
        games = [
            game
            for game in self.world.players["chess.com"][name].games
            if game.is_listed
            and game.ended_at
            and (game.month or self.month_of(game.ended_at)) == month
        ]
        games.sort(key=lambda game: game.ended_at or game.started_at)
        text = msgspec.json.encode({"games": [chesscom_json(game) for game in games]})
        return text, f'W/"{hashlib.md5(text, usedforsecurity=False).hexdigest()}"'

    def month_of(self, instant: datetime) -> str:
        """The month in which the source lists a game that ended at an instant."""
        return f"{instant + self.ahead:%Y-%m}"


def _error(message: str) -> web.Response:
    return web.json_response({"code": 0, "message": message}, status=404)


def chesscom_json(game: SimulatedGame) -> dict[str, Any]:
    """A game in the form of an archive month."""
    ended = game.ended_at or game.started_at
    lost = "checkmated" if game.historical.moves.endswith("#") else "resigned"
    white, black = {"1-0": ("win", lost), "0-1": (lost, "win")}.get(
        game.historical.result, ("agreed", "agreed")
    )
    pgn = (
        f'[Event "Live Chess"]\n[Site "Chess.com"]\n[Date "{game.started_at:%Y.%m.%d}"]\n'
        f'[White "{game.white}"]\n[Black "{game.black}"]\n[Result "{game.historical.result}"]\n'
        f'[ECO "{game.historical.eco}"]\n[UTCDate "{game.started_at:%Y.%m.%d}"]\n'
        f'[UTCTime "{game.started_at:%H:%M:%S}"]\n[Link "{game.url}"]\n\n'
        f"{movetext(game, clocks=True)}\n"
    )
    fields: dict[str, Any] = {
        "url": game.url,
        "pgn": pgn,
        "time_control": "1/259200" if game.speed == "daily" else "600",
        "end_time": int(ended.timestamp()),
        "rated": game.rated,
        "tcn": game.historical.tcn,
        "uuid": game.id,
        "initial_setup": game.initial_fen or _STANDARD_FEN,
        "fen": game.historical.fen,
        "time_class": game.speed,
        "rules": "chess" if game.variant in ("", "standard") else game.variant.lower(),
        "white": _side(game.white, game.keys[0], 1510, white),
        "black": _side(game.black, game.keys[1], 1495, black),
        "eco": "https://www.chess.com/openings/" + game.historical.opening.replace(" ", "-"),
    }
    if game.speed == "daily":
        fields["start_time"] = int(game.started_at.timestamp())
    if game.accuracies:
        fields["accuracies"] = dict(zip(("white", "black"), game.accuracies, strict=True))
    return game.with_overrides(fields)


def _side(name: str, key: str, rating: int, result: str) -> dict[str, Any]:
    return {
        "rating": rating,
        "result": result,
        "@id": f"https://api.chess.com/pub/player/{name.lower()}",
        "username": name,
        "uuid": key,
    }
