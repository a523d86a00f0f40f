"""Watches for alerts while a process runs jobs, in the daemon and in a one-shot alike.

It looks every half minute, after each run and once at the end. A one-shot looks before its run's
canonical line, which stays the last one. What it finds follows from the
database alone, so replicas, restarts and one-shots agree on it. No run waits for it: only the
process waits at its end, for a few seconds at most. What is not sent by then is sent later, by any
process.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from chesscoach import log
from chesscoach.alerts import facts, receivers, rules
from chesscoach.alerts.alert import Condition
from chesscoach.alerts.context import AlertContext
from chesscoach.alerts.delivery import Delivery
from chesscoach.alerts.pings import Pings
from chesscoach.alerts.receiver_request import open_session
from chesscoach.alerts.run_messages import RunMonitor
from chesscoach.alerts.sentry import Sentry, open_envelopes
from chesscoach.alerts.store.alerts import Alert
from chesscoach.alerts.traces import Traces, open_encoder
from chesscoach.errors import ChesscoachError

_INTERVAL_S = 30.0
_MIN_INTERVAL_S = 1.0
_TIME_LIMIT_S = 30.0
_FIND_LIMIT_S = 2.0
_EXIT_WAIT_S = 5.0
"""How long the end of a process waits for its last alerts and messages to monitors."""


class AlertWatch:
    """The watch of a process; an observer of its runs.

    With `one_shot` it looks as soon as a run has ended; a daemon does so within a second.
    """

    def __init__(
        self,
        ctx: AlertContext,
        delivery: Delivery,
        monitors: Sequence[RunMonitor],
        *,
        one_shot: bool = False,
    ) -> None:
        self._one_shot = one_shot
        self._ctx = ctx
        self._delivery = delivery
        self._monitors = monitors
        self._run_ended = asyncio.Event()
        self._failing = False
        self._checking = asyncio.Lock()
        self._closing = False

    def run_started(self, job: str, run_id: str) -> None:
        """Notifies the monitors."""
        for monitor in self._monitors:
            monitor.run_started(job, run_id)

    async def run_ended(self, record: Mapping[str, Any]) -> None:
        """Notifies the monitors, and looks for alerts soon; a one-shot sends them later."""
        for monitor in self._monitors:
            monitor.run_ended(record)
        if self._one_shot:
            await self._safely(self.find, _FIND_LIMIT_S)
        else:
            self._run_ended.set()

    async def watch(self) -> None:
        """Looks repeatedly until it closes or is cancelled."""
        while not self._closing:
            await asyncio.sleep(_MIN_INTERVAL_S)
            with suppress(TimeoutError):  # `wait_for` can lose a cancellation, before Python 3.12
                async with asyncio.timeout(_INTERVAL_S - _MIN_INTERVAL_S):
                    await self._run_ended.wait()
            self._run_ended.clear()
            if not self._closing:
                await self._safely(self.check, _TIME_LIMIT_S)

    async def close(self) -> None:
        """Looks a last time, after a look in progress, and waits for monitors: a few seconds."""
        self._closing = True
        looking = self._safely(self.check, _EXIT_WAIT_S)
        closing = (monitor.close(_EXIT_WAIT_S) for monitor in self._monitors)
        await asyncio.gather(looking, *closing)

    async def _safely(self, look: Callable[[], Awaitable[None]], timeout_s: float) -> None:
        """Looks once; a failure is logged when it begins, and ends nothing."""
        try:
            async with asyncio.timeout(timeout_s), self._checking:
                await look()
        except Exception as error:  # noqa: BLE001  # alerts must not harm the runs
            if not self._failing:
                ours = isinstance(error, ChesscoachError | TimeoutError)
                log.get_logger().warning(
                    "alerts_not_checked",
                    reason=str(error) or type(error).__name__,
                    exc_info=None if ours else error,
                )
            self._failing = True
        else:
            self._failing = False

    async def check(self) -> None:
        """Finds what fires and what has cleared, stores it, and sends what is due.

        Raises:
            StoreUnavailable: MongoDB does not answer.
            StoreFailed: MongoDB refused an operation.
        """
        await self.find()
        await self._delivery.send_due()
        await self._ctx.alerts.delete_resolved(self._ctx.now())

    async def find(self) -> None:
        """Finds what fires and what has cleared, and stores it; raises what `check` does."""
        now = self._ctx.now()
        known = await facts.read_facts(self._ctx)
        found = rules.conditions(known, self._ctx.jobs)
        for condition in [*found, *_unscheduled(found, known.alerts)]:
            alert = known.alerts.get(condition.cause)
            is_firing = alert is not None and alert.state == "firing"
            changed = condition.firing != is_firing
            if changed and await self._ctx.alerts.change(alert, condition, now):
                self._report(condition)

    def _report(self, condition: Condition) -> None:
        firing = condition.firing
        self._ctx.metrics.alerts.labels(condition.kind, "firing" if firing else "resolved").inc()
        if firing:
            log.get_logger().warning(
                "alert_firing",
                kind=condition.kind,
                cause=condition.cause,
                job=condition.job,
                run_id=condition.run_id,
                summary=condition.summary,
            )
        else:
            log.get_logger().info(
                "alert_resolved",
                kind=condition.kind,
                cause=condition.cause,
                job=condition.job,
                run_id=condition.run_id,
                summary=condition.summary,
            )


def _unscheduled(found: list[Condition], known: Mapping[str, Alert]) -> list[Condition]:
    """Alerts about slots of schedules that no longer run: nothing else would clear them."""
    seen = {condition.cause for condition in found}
    return [
        Condition(
            kind=alert.kind,
            subject=cause.partition(":")[2],
            firing=False,
            job=alert.job,
            summary="the schedule runs no more",
        )
        for cause, alert in known.items()
        if alert.kind in ("overdue", "missed") and cause not in seen
    ]


@asynccontextmanager
async def open_alerts(ctx: AlertContext, *, one_shot: bool = False) -> AsyncIterator[AlertWatch]:
    """Watches while the context is open; at the end it looks once more, for a few seconds.

    Raises:
        ConfigError: a URL of `alerts.urls` cannot be used, or an extra is not installed.
    """
    async with open_session() as session:
        monitors: list[RunMonitor] = [Pings(ctx.jobs, session, ctx.metrics)]
        if dsn := ctx.settings.sentry_dsn:
            monitors.append(Sentry(await open_envelopes(dsn), session, ctx.metrics))
        if endpoint := ctx.settings.otlp_endpoint:
            encode = await open_encoder(endpoint)
            monitors.append(Traces(endpoint, encode, session, ctx.metrics))
        delivery = Delivery(ctx, await receivers.open_receivers(ctx.settings, session))
        watch = AlertWatch(ctx, delivery, monitors, one_shot=one_shot)
        watching = asyncio.create_task(watch.watch(), name="alerts")
        try:
            yield watch
            await watch.close()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await asyncio.gather(*(monitor.close(0) for monitor in monitors))
