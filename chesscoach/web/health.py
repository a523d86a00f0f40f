"""How we are: `/healthz`, whether to restart us, and `/readyz`, whether to count on us.

`/healthz` asks nobody: a database that is slow or hangs is no reason to restart a process that
waits for it. `/readyz` asks what we depend on, each for two seconds at most.
"""

import asyncio
from typing import Any, Literal

from aiohttp import web

from chesscoach.errors import ChesscoachError
from chesscoach.mongo.probe import Probe
from chesscoach.web.loop_lag import Beat
from chesscoach.worker.job import Stop
from chesscoach.worker.scheduler.ticker import STALE_S, Alarm

_FRESH_S = 1.0
"""So long an answer of MongoDB's is good for whoever asks next: probes are no load for it."""


class Health:
    """What both listeners tell of this process; without a scheduler its alarm is None."""

    def __init__(self, probe: Probe, stop: Stop, alarm: Alarm | None, beat: Beat) -> None:
        self._probe = probe
        self._stop = stop
        self._alarm = alarm
        self._beat = beat
        self._asking = asyncio.Lock()
        self._mongodb: dict[str, Any] = {}
        self._asked_at = float("-inf")

    def routes(self) -> list[web.RouteDef]:
        """The handlers of both pages."""
        return [web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)]

    @property
    def state(self) -> Literal["starting", "working", "draining"]:
        """What the process is at."""
        if self._stop.asked.is_set():
            return "draining"
        begun = self._alarm is None or self._alarm.ringing
        return "working" if begun else "starting"

    async def _healthz(self, _: web.Request) -> web.Response:
        """503 when the alarm, which is to ring each second, has been silent for 30."""
        body: dict[str, Any] = {"state": self.state, "loop_lag_s": round(self._beat.lag_s, 3)}
        healthy = True
        if self._alarm is not None and self._alarm.ringing:
            body["alarm_silent_s"] = round(self._alarm.silent_s, 3)
            healthy = self._alarm.silent_s <= STALE_S
        return web.json_response({"healthy": healthy, **body}, status=200 if healthy else 503)

    async def _readyz(self, _: web.Request) -> web.Response:
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
            if loop.time() - self._asked_at > _FRESH_S:
                begun, why = loop.time(), {}
                try:
                    await self._probe.ping()
                except ChesscoachError as error:
                    why = {"why": str(error)}
                self._asked_at = loop.time()
                took_s = round(self._asked_at - begun, 3)
                self._mongodb = {"ok": not why, "took_s": took_s, **why}
            return self._mongodb
