"""What is due: each second the schedules are compared with the clock, and due slots are worked.

The slots that fall due while the daemon is away or stalled are coalesced into the newest one. At
its start the daemon also looks at the newest slot of each schedule that has ever run, so that one
left open by a crash or a deploy is worked again at once.
"""

import asyncio
from contextlib import suppress
from datetime import datetime

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import ChesscoachError, StoreUnavailable
from chesscoach.models import Schedule, Slot
from chesscoach.rules import slots
from chesscoach.runner import work
from chesscoach.runner.job import Stop
from chesscoach.scheduling.alarm import Alarm, Watchdog
from chesscoach.scheduling.joblist import JOBS

_RETRY_S = 5.0


class Scheduler:
    """Works the configured schedules from `__aenter__` on; `__aexit__` drains what runs."""

    def __init__(self, ctx: Context, stop: Stop) -> None:
        self._ctx = ctx
        self._stop = stop
        self._schedules = {
            key: schedule for key, schedule in ctx.config.schedules.items() if schedule.enabled
        }
        self._due: dict[str, datetime | None] = {}
        self.running: set[asyncio.Task[None]] = set()
        self.alarm = Alarm(self.tick, ctx.metrics)
        self._watchdog = Watchdog(self.alarm)

    async def __aenter__(self) -> "Scheduler":
        now = self._ctx.now()
        for key, schedule in self._schedules.items():
            self._due[key] = _next(key, schedule, now)
            await self._catch_up(key, schedule, now)
        self.alarm.start()
        self._watchdog.start()
        due = {key: at.isoformat() for key, at in self._due.items() if at}
        log.get_logger().info("scheduler_started", next=due)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if not self._stop.asked.is_set():  # a second wish would be an urgent one
            self._stop.ask()
        self._watchdog.stop()
        await self.alarm.stop()
        if self.running:
            log.get_logger().info("draining", runs=len(self.running))
            await asyncio.wait(self.running)
        log.get_logger().info("scheduler_stopped")

    async def tick(self) -> None:
        """Starts work on every schedule that has fallen due; reads no store."""
        now = self._ctx.now()
        for key, at in self._due.items():
            if at is not None and at <= now and not self._stop.asked.is_set():
                schedule = self._schedules[key]
                slot = slots.latest(key, schedule, now) or Slot(schedule=key, at=at)
                self._due[key] = _next(key, schedule, now)
                self.begin(schedule, slot)

    async def _catch_up(self, key: str, schedule: Schedule, now: datetime) -> None:
        """The newest slot, if it is still open, of a schedule that has run before."""
        newest = await self._ctx.store.runs.newest(key)
        slot = slots.latest(key, schedule, now)
        if newest is None or newest.slot is None or slot is None or newest.slot > slot.at:
            return
        closed = newest.closed(self._ctx.config.runner.max_attempts)
        if newest.slot < slot.at or not closed:
            self.begin(schedule, slot)

    def begin(self, schedule: Schedule, slot: Slot) -> None:
        """Starts work on a slot; the task is kept in `running` until it ends."""
        task = asyncio.create_task(self._work(schedule, slot), name=slot.key)
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def _work(self, schedule: Schedule, slot: Slot) -> None:
        """Works a slot; while the store is away it is tried again, until the next one is due."""
        while not self._stop.asked.is_set():
            try:
                await work.of_slot(
                    self._ctx,
                    JOBS[schedule.job],
                    schedule,
                    slot,
                    source="daemon",
                    stop=self._stop,
                )
            except StoreUnavailable as error:
                self._ctx.metrics.tick_errors.inc()
                log.get_logger().error("slot_waits", slot=slot.key, reason=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.asked.wait(), _RETRY_S)
                if slots.latest(slot.schedule, schedule, self._ctx.now()) != slot:
                    return
            except ChesscoachError as error:
                self._ctx.metrics.tick_errors.inc()
                log.get_logger().error("slot_failed", slot=slot.key, reason=str(error))
                return
            except Exception as error:  # noqa: BLE001  # one schedule's trouble is no other's
                self._ctx.metrics.tick_errors.inc()
                log.get_logger().error(
                    "slot_failed", slot=slot.key, reason=type(error).__name__, exc_info=error
                )
                return
            else:
                return


def _next(key: str, schedule: Schedule, now: datetime) -> datetime | None:
    following = next(slots.after(key, schedule, now), None)
    return following.at if following else None
