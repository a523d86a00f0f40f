"""Lichess: who has news, asked in bulk, and their games as a stream.

Facts behind the form of the requests: the time filter works on a game's start; the filters
`rated`, `perfType`, `color` and `analysed` go to a search index that misses games, so they are
never sent; with `ongoing=true` unfinished and aborted games come too; a reply has no end marker,
so only whole lines count.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

from msgspec import Struct

from chesscoach.errors import BadReply
from chesscoach.sources import lichess_payload as payload
from chesscoach.sources.client import Site
from chesscoach.sources.game import Game, PendingGame
from chesscoach.sources.lichess_payload import Aborted, Line, Unreadable
from chesscoach.sources.response import body, lines
from chesscoach.sync.account import Player

BULK = 300
"""Accounts, or games, in one bulk request: the site's limit."""

PAGE = 1000
"""Games in one export; a longer history takes several."""

_ROUND = 100
_LINE_BYTES = 1024 * 1024
_BULK_BYTES = 32 * 1024 * 1024
_GAMES_PER_S = 10  # half of what the site promises to stream
_NDJSON = {"Accept": "application/x-ndjson"}
_FORM = {"pgnInJson": "true", "clocks": "true", "opening": "true"}


class More(Struct, frozen=True):
    """The end of an export that has not been read to the end of the history.

    All that began before `since` has been.
    """

    since: datetime


class Lichess:
    """What we ask of Lichess; `users_per_10min` is its allowance for bulk requests."""

    def __init__(self, site: Site, users_per_10min: int) -> None:
        self.site = site
        self._allowance = users_per_10min

    @property
    def bulk(self) -> int:
        """Accounts that one bulk request may name."""
        return min(BULK, self._allowance)

    async def players(self, names: Sequence[str]) -> dict[str, Player]:
        """What the site says of accounts, by name; names that it does not know are missing."""
        await self.site.lane.spend(len(names), self._allowance)
        async with self.site.ask(
            "POST",
            "/api/users",
            params={"profile": "false"},
            data=",".join(names),
            total_s=120.0,
            general=True,
        ) as response:
            if response.status != 200:
                msg = f"the site answered {response.status} to a bulk request"
                raise BadReply(msg)
            return payload.players(await body(response, _BULK_BYTES))

    async def games_since(
        self, name: str, since: datetime, pages: int | None = None, *, now: datetime | None = None
    ) -> AsyncGenerator[Line | More]:
        """All games that began since an instant, finished or not, oldest first.

        An export may be capped without a word, so one of a round number of games is followed by
        another from its last game on, until there were so many `pages`; then a `More` comes last.
        A game that began after `now`, as it says, is none to go on from.
        """
        while True:
            if pages == 0:
                yield More(since)
                return
            pages = pages and pages - 1
            count, newest = 0, since
            params = {"since": _ms(since), "sort": "dateAsc", "ongoing": "true", "max": str(PAGE)}
            async with aclosing(self._export(f"/api/games/user/{name}", params, PAGE)) as page:
                async for line in page:
                    count += 1
                    began = None if isinstance(line, Unreadable) else line.started_at
                    if began is not None and (now is None or began <= now):
                        newest = max(newest, began)
                    if not isinstance(line, Aborted):
                        yield line
            if count % _ROUND or newest == since:
                return
            since = newest

    async def newest_games(
        self, name: str, since: datetime, limit: int
    ) -> AsyncGenerator[Game | Unreadable]:
        """The newest finished games since an instant, newest first."""
        params = {"since": _ms(since), "sort": "dateDesc", "max": str(limit)}
        async with aclosing(self._export(f"/api/games/user/{name}", params, limit)) as found:
            async for line in found:
                if isinstance(line, Game | Unreadable):
                    yield line

    async def unfinished_games(self, name: str) -> AsyncGenerator[PendingGame]:
        """The games that an account is playing now, however long ago they began."""
        params = {"ongoing": "true", "finished": "false", "max": str(BULK)}
        async with aclosing(self._export(f"/api/games/user/{name}", params, BULK)) as found:
            async for line in found:
                if isinstance(line, PendingGame):
                    yield line

    async def games_by_id(self, ids: Sequence[str]) -> AsyncGenerator[Line]:
        """Games by their ids, finished or not; the site leaves out those that it does not have."""
        path = "/api/games/export/_ids"
        async with aclosing(self._export(path, {}, len(ids), data=",".join(ids))) as found:
            async for line in found:
                if not isinstance(line, Aborted):
                    yield line

    async def _export(
        self, path: str, params: Mapping[str, str], games: int, data: str | None = None
    ) -> AsyncGenerator[Line | Aborted]:
        """Every line of an export, of at most so many games; POSTed where there is data."""
        async with self.site.ask(
            "POST" if data else "GET",
            path,
            headers=_NDJSON,
            params={**_FORM, **params},
            data=data,
            total_s=60.0 + games / _GAMES_PER_S,
            general=data is not None,
        ) as response:
            # 404 to a player whom the bulk reply knew: he has just been closed, or it passes.
            if response.status != 200:
                msg = f"the site answered {response.status} to an export"
                raise BadReply(msg)
            async for line in lines(response, _LINE_BYTES):
                yield payload.parsed(line)


def _ms(instant: datetime) -> str:
    """Unix milliseconds, not before the least that the site takes.

    Seconds would silently bring the whole history.
    """
    return str(max(int(instant.timestamp() * 1000), 1_356_998_400_070))
