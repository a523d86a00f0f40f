"""Measures how late the event loop is, by a timer that fires each second."""

import asyncio

from chesscoach.metrics import Metrics

_INTERVAL_S = 1.0


class LoopLagMonitor:
    """Measures while it is entered; `lag_s` is how late its last timer fired.

    A timer and no task: it waits for nothing and cannot end by itself.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.lag_s = 0.0

    def __enter__(self) -> "LoopLagMonitor":
        self._schedule()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self) -> None:
        due = self._loop.time() + _INTERVAL_S
        self._timer = self._loop.call_at(due, self._on_timer, due)

    def _on_timer(self, due: float) -> None:
        self.lag_s = max(self._loop.time() - due, 0.0)
        self._metrics.loop_lag.observe(self.lag_s)
        self._schedule()
