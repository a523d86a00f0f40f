"""The process's health: `/healthz` says whether to restart it, `/readyz` whether it can work.

`/healthz` queries nothing: a slow database is not a reason to restart a process that waits for it.
`/readyz` queries each dependency for two seconds at most.
"""

import asyncio
from typing import Any, Literal

from aiohttp import web

from chesscoach.errors import ChesscoachError
from chesscoach.mongo.probe import Probe
from chesscoach.web.loop_lag import LoopLagMonitor
from chesscoach.worker.scheduler.ticker import STALLED_AFTER_S, Ticker
from chesscoach.worker.shutdown import ShutdownRequest

_CACHE_LIFETIME_S = 1.0
"""How long a response of MongoDB is reused, so that frequent probes do not load it."""


class Health:
    """The health pages of both listeners; `ticker` is None without a scheduler."""

    def __init__(
        self, probe: Probe, stop: ShutdownRequest, ticker: Ticker | None, loop_lag: LoopLagMonitor
    ) -> None:
        self._probe = probe
        self._stop = stop
        self._ticker = ticker
        self._loop_lag = loop_lag
        self._pinging = asyncio.Lock()
        self._mongodb: dict[str, Any] = {}
        self._pinged_at = float("-inf")

    def routes(self) -> list[web.RouteDef]:
        """The routes of both pages."""
        return [web.get("/healthz", self._liveness), web.get("/readyz", self._readiness)]

    @property
    def state(self) -> Literal["starting", "working", "draining"]:
        """The phase of the process."""
        if self._stop.requested.is_set():
            return "draining"
        started = self._ticker is None or self._ticker.running
        return "working" if started else "starting"

    async def _liveness(self, _: web.Request) -> web.Response:
        """503 when the ticker, which wakes each second, has not woken for 30 s."""
        body: dict[str, Any] = {"state": self.state, "loop_lag_s": round(self._loop_lag.lag_s, 3)}
        healthy = True
        if self._ticker is not None and self._ticker.running:
            body["scheduler_idle_s"] = round(self._ticker.idle_s, 3)
            healthy = self._ticker.idle_s <= STALLED_AFTER_S
        return web.json_response({"healthy": healthy, **body}, status=200 if healthy else 503)

    async def _readiness(self, _: web.Request) -> web.Response:
        """503 while the process starts or drains, or while a dependency does not answer."""
        dependencies = {"mongodb": await self._ping_mongodb()}
        state = self.state
        ready = state == "working" and all(dependency["ok"] for dependency in dependencies.values())
        body = {"ready": ready, "state": state, "dependencies": dependencies}
        return web.json_response(body, status=200 if ready else 503)

    async def _ping_mongodb(self) -> dict[str, Any]:
        """Pings for one request at a time; requests that waited reuse the response."""
        loop = asyncio.get_running_loop()
        async with self._pinging:
            if loop.time() - self._pinged_at > _CACHE_LIFETIME_S:
                started_at, failure = loop.time(), {}
                try:
                    await self._probe.ping()
                except ChesscoachError as error:
                    failure = {"why": str(error)}
                self._pinged_at = loop.time()
                took_s = round(self._pinged_at - started_at, 3)
                self._mongodb = {"ok": not failure, "took_s": took_s, **failure}
            return self._mongodb
