"""A club of users to sync: the application's database, both sites, and a clock of one's own."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.demo.fake_site import FakeSite
from chesscoach.demo.world import SimulatedGame, SourceName, World
from chesscoach.jobs import sync_games
from chesscoach.worker.runner import runner
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import Clock, FakeSites
from tests.support.sync.sync_members import ANALYSABLE_GAME, SHORT_GAME

NOW = datetime(2024, 8, 14, 12, 0, tzinfo=UTC)
"""In the past, since the stand-in for Chess.com knows no month that has not come; mid-month."""

NO_MOVES = replace(SHORT_GAME, moves="", tcn="", result="1-0")

MONTH_START = datetime(2024, 8, 1, tzinfo=UTC)
"""The turn of a month."""

EXPORT = "/api/games/user/ann"
GAMES_BY_ID = "/api/games/export/_ids"
AUGUST = "/pub/player/ann/games/2024/08"
JULY = "/pub/player/ann/games/2024/07"


def account_on(site: SourceName, name: str) -> dict[str, Any]:
    """A name on one site, for `SyncScenario.add_user`."""
    return {"lichess" if site == "lichess" else "chesscom": name}


def error_handler(message: str, status: int = 404) -> Any:
    """A handler that answers with one of the site's errors."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"code": 0, "message": message}, status=status)

    return answer


def redirect_handler(path: str) -> Any:
    """A handler that sends on to another path."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=301, headers={"Location": path})

    return answer


NOT_FOUND = error_handler('User "ann" not found.')


class HeldResponse:
    """A response that is held back until it is let through."""

    def __init__(self, body: bytes) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._body = body

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answers as a fault of a stand-in."""
        self.reached.set()
        await self.open.wait()
        return web.Response(body=self._body, content_type="application/json")


class SyncScenario:
    """What tests of the sync do and look at again and again."""

    def __init__(self, ctx: Context, db: Any, sites: FakeSites, clock: Clock) -> None:
        self.ctx = ctx
        self.db = db
        self.sites = sites
        self.clock = clock

    @property
    def world(self) -> World:
        """What is true on the sites."""
        return self.sites.world

    def before_now(self, **delta: float) -> datetime:
        """So long before now."""
        return self.clock.now - timedelta(**delta)

    def add_user(
        self,
        user_id: str,
        *,
        lichess: str | None = None,
        chesscom: str | None = None,
        synced: datetime | None = None,
    ) -> None:
        """A user as the application writes them, with their players, unless these exist already."""
        names: dict[SourceName, str | None] = {"lichess": lichess, "chess.com": chesscom}
        for site, name in names.items():
            if name and name.lower() not in self.world.players[site]:
                self.world.add_player(site, name, self.before_now(days=30))
        self.db.users.insert_one(
            {
                "user_id": user_id,
                "email": f"{user_id}@example.org",
                "lichess_username": lichess,
                "chesscom_username": chesscom,
                "last_game_sync": synced and synced.isoformat(),
            }
        )

    def add_game(
        self, site: SourceName, name: str, ended_at: datetime | None, **more: Any
    ) -> SimulatedGame:
        """A game that is worth an analysis, unless the test says otherwise."""
        return self.world.add_game(site, name, ended_at, **{"famous": ANALYSABLE_GAME, **more})

    def add_games(
        self, site: SourceName, name: str, *ended_at: datetime, **more: Any
    ) -> list[SimulatedGame]:
        """Games that ended at these instants."""
        return [self.add_game(site, name, instant, **more) for instant in ended_at]

    def add_history(self, site: SourceName, name: str, count: int, **spacing: float) -> list[str]:
        """Short games that ended so far apart; their urls, the newest first."""
        step = timedelta(**spacing)
        ends = [self.clock.now - step * (number + 1) for number in range(count)]
        return [game.url for game in self.add_games(site, name, *ends, famous=SHORT_GAME)]

    def add_slow_game(self, name: str, *, rated: bool = True, **ago: float) -> SimulatedGame:
        """A correspondence game on Lichess that began so long ago and is still being played."""
        started = self.before_now(**ago)
        fields = {"speed": "correspondence", "rated": rated, "started_at": started}
        return self.add_game("lichess", name, None, **fields)

    def finish(self, game: SimulatedGame, status: str = "resign") -> None:
        """Ends a game now, while no player is seen for it."""
        game.ended_at, game.status = self.clock.now, status

    def fake_site(self, site: SourceName) -> FakeSite:
        """The stand-in of a source."""
        return self.sites.lichess if site == "lichess" else self.sites.chesscom

    def reopen_sources(self) -> None:
        """Lets the time of every open breaker pass."""
        self.db.job_leases.update_many({}, {"$unset": {"closed_until": ""}})

    async def run(self, *, shard: Shard = ALL_USERS, **args: Any) -> dict[str, Any]:
        """A manual run; its record."""
        ending = await runner.run_manually(
            self.ctx.worker, sync_games.JOB, sync_games.Args(**args), ShutdownRequest(), shard=shard
        )
        return ending.record

    async def run_succeeding(self, **args: Any) -> dict[str, Any]:
        """A manual run, which must succeed; its record."""
        record = await self.run(**args)
        assert record["outcome"] == "succeeded", record
        return record

    async def run_later(self, **delta: float) -> dict[str, Any]:
        """A run so much later, which must succeed."""
        self.clock.move(**delta)
        return await self.run_succeeding()

    async def run_cycles(self, count: int, *, all: bool = False, **delta: float) -> None:
        """Runs so far apart, which must succeed."""
        for _ in range(count):
            self.clock.move(**delta)
            await self.run_succeeding(all=all)

    async def try_cycles(self, count: int, **delta: float) -> None:
        """Runs so far apart, however they end."""
        for _ in range(count):
            self.clock.move(**delta)
            await self.run()

    async def sync_ann(self, site: SourceName, *ended_at: datetime) -> list[SimulatedGame]:
        """A first sync of the user ann, whose player on a source has games with these ends."""
        self.add_user("ann", **account_on(site, "Ann"))
        games = self.add_games(site, "Ann", *ended_at)
        await self.run_succeeding()
        return games

    def games(self, user_id: str) -> list[dict[str, Any]]:
        """A user's stored games, in the order of their ends."""
        return list(self.db.games.find({"user_id": user_id}).sort(["ended_at", "url"]))

    def urls(self, user_id: str) -> list[str]:
        """Where a user's stored games are shown, in the order of their ends."""
        return [document["url"] for document in self.games(user_id)]

    def game(self, played: SimulatedGame, user_id: str) -> dict[str, Any]:
        """The one document of a game that a user has."""
        stored: dict[str, Any]
        (stored,) = self.db.games.find({"user_id": user_id, "external_id": played.id})
        return stored

    def queued_game_ids(self, user_id: str) -> list[str]:
        """The ids of the games that are queued for a user."""
        items = self.db.analysis_queue.find({"user_id": user_id})
        return sorted(item["game_id"] for item in items)

    def account(self, key: str) -> dict[str, Any]:
        """Our document of an account."""
        document: dict[str, Any] = self.db.sync_accounts.find_one({"_id": key})
        return document

    def notification_types(self, user_id: str) -> list[str]:
        """The types of a user's notifications about accounts, in their order."""
        query = {"user_id": user_id, "type": {"$ne": "game_analyzed"}}
        documents = self.db.notifications.find(query).sort("created_at", 1)
        return [document["type"] for document in documents]

    def requested_paths(self, site: SourceName) -> list[str]:
        """The paths that a site was asked for since `sites.clear_requests()`."""
        return [request.path for request in self.fake_site(site).requests]
