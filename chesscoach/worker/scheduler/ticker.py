"""The wake-up timer: aiocron calls us each second.

aiocron overlaps its own callbacks, and bursts after a blocked loop. It reads the wall clock once,
so a step of the clock would shift it for good. So one cron fires every second, and a tick never
runs twice at a time. The cron restarts when the wall clock has moved against the monotonic one.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC

from aiocron import Cron

from chesscoach import log
from chesscoach.metrics import Metrics

CLOCK_STEP_S = 0.2
MISSED_TICK_S = 2.5
STALLED_AFTER_S = 30.0
"""The loop has stalled if the timer has not woken for longer than this."""


class Ticker:
    """Calls `tick` about once a second, never twice at a time.

    `running` is true from start to stop. `last_wake` and `last_tick_end` are monotonic.
    """

    def __init__(
        self,
        tick: Callable[[], Awaitable[None]],
        metrics: Metrics,
        wall: Callable[[], float] = time.time,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tick = tick
        self._metrics = metrics
        self._wall = wall
        self._mono = mono
        self._drift = wall() - mono()
        self.last_wake = self.last_tick_end = mono()
        self.running = False
        self._task: asyncio.Task[None] | None = None
        self._cron: Cron | None = None

    def start(self) -> None:
        """Starts the timer in the running loop, to which aiocron binds."""
        loop = asyncio.get_running_loop()
        self._cron = Cron("* * * * * *", func=self.on_second, loop=loop, tz=UTC)
        self._cron.start()
        self.last_wake = self.last_tick_end = self._mono()
        self.running = True

    @property
    def idle_s(self) -> float:
        """Seconds since the timer last woke."""
        return self._mono() - self.last_wake

    @property
    def tick_age_s(self) -> float:
        """Seconds since a tick last ended; they grow while the database hangs."""
        return self._mono() - self.last_tick_end

    async def stop(self) -> None:
        """Stops the timer, and waits for a tick in progress."""
        self.running = False
        if self._cron is not None:
            self._cron.stop()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def on_second(self) -> None:
        """Compares the clocks, and starts a tick unless one is in progress; aiocron calls this."""
        now = self._mono()
        drift = self._wall() - now
        if abs(drift - self._drift) > CLOCK_STEP_S or now - self.last_wake > MISSED_TICK_S:
            if abs(drift - self._drift) > CLOCK_STEP_S:
                self._metrics.clock_steps.inc()
                log.get_logger().warning("clock_step", seconds=round(drift - self._drift, 3))
            if self._cron is not None:
                self._cron.start()
        self._drift, self.last_wake = drift, now
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tick_safely(), name="tick")

    async def _tick_safely(self) -> None:
        try:
            await self._tick()
        except Exception as error:  # noqa: BLE001  # no error of a tick ends the ticking
            self._metrics.tick_errors.inc()
            log.get_logger().error("tick_failed", error=type(error).__name__, exc_info=error)
        self.last_tick_end = self._mono()


class Watchdog:
    """A thread that logs when the timer has stopped; it needs neither the loop nor the database."""

    def __init__(
        self, ticker: Ticker, stale_s: float = STALLED_AFTER_S, every_s: float = 5.0
    ) -> None:
        self._ticker = ticker
        self._stale_s = stale_s
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stops the thread."""
        self._stopped.set()

    def _watch(self) -> None:
        reported = False
        while not self._stopped.wait(self._every_s):
            silent_s = time.monotonic() - self._ticker.last_wake
            if silent_s > self._stale_s and not reported:
                log.get_logger().error("loop_stalled", silent_s=round(silent_s, 1))
            reported = silent_s > self._stale_s
