"""How we are: `/healthz`, whether to restart us, and `/readyz`, whether to count on us.

`/healthz` asks nobody: a database that is slow or hangs is no reason to restart a process that
waits for it. `/readyz` asks what we depend on, each for two seconds at most.
"""

import asyncio
from typing import Any, Literal

from aiohttp import web

from chesscoach.errors import ChesscoachError
from chesscoach.mongo.probe import Probe
from chesscoach.web.loop_lag import LoopLagMonitor
from chesscoach.worker.scheduler.ticker import STALLED_AFTER_S, Ticker
from chesscoach.worker.shutdown import ShutdownRequest

_CACHE_S = 1.0
"""So long an answer of MongoDB's is good for whoever asks next: probes are no load for it."""


class Health:
    """What both listeners tell of this process; without a scheduler its alarm is None."""

    def __init__(
        self, probe: Probe, stop: ShutdownRequest, alarm: Ticker | None, beat: LoopLagMonitor
    ) -> None:
        self._probe = probe
        self._stop = stop
        self._ticker = alarm
        self._loop_lag = beat
        self._asking = asyncio.Lock()
        self._mongodb: dict[str, Any] = {}
        self._asked_at = float("-inf")

    def routes(self) -> list[web.RouteDef]:
        """The handlers of both pages."""
        return [web.get("/healthz", self._liveness), web.get("/readyz", self._readiness)]

    @property
    def state(self) -> Literal["starting", "working", "draining"]:
        """What the process is at."""
        if self._stop.requested.is_set():
            return "draining"
        begun = self._ticker is None or self._ticker.running
        return "working" if begun else "starting"

    async def _liveness(self, _: web.Request) -> web.Response:
        """503 when the alarm, which is to ring each second, has been silent for 30."""
        body: dict[str, Any] = {"state": self.state, "loop_lag_s": round(self._loop_lag.lag_s, 3)}
        healthy = True
        if self._ticker is not None and self._ticker.running:
            body["alarm_silent_s"] = round(self._ticker.idle_s, 3)
            healthy = self._ticker.idle_s <= STALLED_AFTER_S
        return web.json_response({"healthy": healthy, **body}, status=200 if healthy else 503)

    async def _readiness(self, _: web.Request) -> web.Response:
        """503 while we start or drain, or while something that we depend on does not answer."""
        dependencies = {"mongodb": await self._ask_mongodb()}
        state = self.state
        ready = state == "working" and all(each["ok"] for each in dependencies.values())
        body = {"ready": ready, "state": state, "dependencies": dependencies}
        return web.json_response(body, status=200 if ready else 503)

    async def _ask_mongodb(self) -> dict[str, Any]:
        """Asked by one at a time; who waited takes the answer that the one before him got."""
        loop = asyncio.get_running_loop()
        async with self._asking:
            if loop.time() - self._asked_at > _CACHE_S:
                begun, why = loop.time(), {}
                try:
                    await self._probe.ping()
                except ChesscoachError as error:
                    why = {"why": str(error)}
                self._asked_at = loop.time()
                took_s = round(self._asked_at - begun, 3)
                self._mongodb = {"ok": not why, "took_s": took_s, **why}
            return self._mongodb
