"""Lichess: who has news, asked in bulk, and their games as a stream.

The time filter works on a game's start. The filters `rated`, `perfType`, `color` and `analysed` use
a search index that misses games, so they are never sent. With `ongoing=true`, the response also has
unfinished and aborted games. A response has no end marker, so only whole lines count.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

from msgspec import Struct

from chesscoach.errors import BadResponse
from chesscoach.sources import lichess_bulk_payload
from chesscoach.sources import lichess_payload as payload
from chesscoach.sources.client import SourceClient
from chesscoach.sources.game import Game, UnfinishedGame
from chesscoach.sources.lichess_payload import AbortedGame, ExportItem, UnreadableGame
from chesscoach.sources.lichess_status import LichessStatus
from chesscoach.sources.response import read_body, read_lines

MAX_BULK_NAMES = 300
"""Accounts, or games, in one bulk request: the source's limit."""

MAX_PAGE_GAMES = 1000
"""Games in one export; a longer history takes several."""

_BULK_ROUNDING = 100
_MAX_LINE_BYTES = 1024 * 1024
_MAX_BULK_BYTES = 32 * 1024 * 1024
_GAMES_PER_S = 10  # half of what the source promises to stream
_NDJSON = {"Accept": "application/x-ndjson"}
_EXPORT_PARAMS = {"pgnInJson": "true", "clocks": "true", "opening": "true"}


class PageEnd(Struct, frozen=True):
    """The end of one response of several: all games that began before `since` have been yielded."""

    since: datetime


class Lichess:
    """What we ask of Lichess; `users_per_10min` is its allowance for bulk requests."""

    def __init__(self, client: SourceClient, users_per_10min: int) -> None:
        self.client = client
        self._users_per_10min = users_per_10min

    @property
    def bulk(self) -> int:
        """Accounts that one bulk request may name."""
        return min(MAX_BULK_NAMES, self._users_per_10min)

    async def players(self, names: Sequence[str]) -> dict[str, LichessStatus]:
        """What the source says of accounts, by name; names that it does not know are missing."""
        await self.client.lane.consume(len(names), self._users_per_10min)
        async with self.client.request(
            "POST",
            "/api/users",
            params={"profile": "false"},
            data=",".join(names),
            total_s=120.0,
            general=True,
        ) as response:
            if response.status != 200:
                msg = f"the source answered {response.status} to a bulk request"
                raise BadResponse(msg)
            return lichess_bulk_payload.parse_statuses(
                await read_body(response, _MAX_BULK_BYTES), names
            )

    async def games_since(
        self, name: str, since: datetime, *, now: datetime | None = None
    ) -> AsyncGenerator[ExportItem | PageEnd]:
        """All games that began since an instant, finished or not, oldest first.

        Lichess may cap an export without saying so. So a response with a round number of games is
        followed by a `PageEnd`, and by another request from its last game on. That is not a game
        whose start, by its own word, lies after `now`.
        """
        while True:
            count, newest = 0, since
            params = {
                "since": _ms(since),
                "sort": "dateAsc",
                "ongoing": "true",
                "max": str(MAX_PAGE_GAMES),
            }
            async with aclosing(
                self._export(f"/api/games/user/{name}", params, MAX_PAGE_GAMES)
            ) as page:
                async for line in page:
                    count += 1
                    began = None if isinstance(line, UnreadableGame) else line.started_at
                    if began is not None and (now is None or began <= now):
                        newest = max(newest, began)
                    if not isinstance(line, AbortedGame):
                        yield line
            if count % _BULK_ROUNDING or newest == since:
                return
            since = newest
            yield PageEnd(since)

    async def newest_games(
        self, name: str, since: datetime, limit: int
    ) -> AsyncGenerator[Game | UnreadableGame]:
        """The newest finished games since an instant, newest first."""
        params = {"since": _ms(since), "sort": "dateDesc", "max": str(limit)}
        async with aclosing(self._export(f"/api/games/user/{name}", params, limit)) as items:
            async for line in items:
                if isinstance(line, Game | UnreadableGame):
                    yield line

    async def unfinished_games(self, name: str) -> AsyncGenerator[UnfinishedGame | UnreadableGame]:
        """The games that an account is playing now, however long ago they began."""
        params = {"ongoing": "true", "finished": "false", "max": str(MAX_BULK_NAMES)}
        async with aclosing(
            self._export(f"/api/games/user/{name}", params, MAX_BULK_NAMES)
        ) as items:
            async for line in items:
                if isinstance(line, UnfinishedGame | UnreadableGame):
                    yield line

    async def games_by_id(self, ids: Sequence[str]) -> AsyncGenerator[ExportItem]:
        """Games by their ids, finished or not; without those that the source does not have."""
        path = "/api/games/export/_ids"
        async with aclosing(self._export(path, {}, len(ids), data=",".join(ids))) as items:
            async for line in items:
                if not isinstance(line, AbortedGame):
                    yield line

    async def _export(
        self, path: str, params: Mapping[str, str], games: int, data: str | None = None
    ) -> AsyncGenerator[ExportItem | AbortedGame]:
        """Every line of an export, of at most `games` games; a POST if there is data."""
        async with self.client.request(
            "POST" if data else "GET",
            path,
            headers=_NDJSON,
            params={**_EXPORT_PARAMS, **params},
            data=data,
            total_s=60.0 + games / _GAMES_PER_S,
            general=data is not None,
        ) as response:
            # 404 for a player in the bulk response: the account was closed just now, or it passes.
            if response.status != 200:
                msg = f"the source answered {response.status} to an export"
                raise BadResponse(msg)
            async for line in read_lines(response, _MAX_LINE_BYTES):
                yield payload.parse_item(line)


def _ms(instant: datetime) -> str:
    """Unix milliseconds, not before the least that the source takes.

    Seconds would silently bring the whole history.
    """
    return str(max(int(instant.timestamp() * 1000), 1_356_998_400_070))
