"""A plain client of the fake Lichess."""

import json
from typing import Any

import aiohttp

from chesscoach.demo.fake_lichess import FakeLichess


class LichessClient:
    """A plain client of the fake."""

    def __init__(self, session: aiohttp.ClientSession, site: FakeLichess) -> None:
        self.session = session
        self.site = site

    async def games(self, name: str = "ann", **query: Any) -> list[str]:
        """The ids of an export's games, in their order."""
        return [game["id"] for game in await self.export(name, **query)]

    async def export(self, name: str = "ann", **query: Any) -> list[dict[str, Any]]:
        """An export's games."""
        params = {key: str(value) for key, value in query.items()}
        async with self.session.get(f"/api/games/user/{name}", params=params) as response:
            assert response.status == 200
            assert response.content_type == "application/x-ndjson"
            return [json.loads(line) for line in (await response.read()).splitlines()]

    async def status(self, method: str, path: str, **options: Any) -> int:
        """The status of a response, read to its end."""
        async with self.session.request(method, path, **options) as response:
            await response.read()
            return response.status

    async def users(self, *names: str) -> Any:
        """A bulk response."""
        async with self.session.post("/api/users", data=",".join(names)) as response:
            assert response.status == 200
            return await response.json()
