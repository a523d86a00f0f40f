"""APScheduler's AsyncIOScheduler, which ours is held against: jobs in memory or in MongoDB.

It is a module of its own, because a job in MongoDB is an import path.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.jobstores.mongodb import MongoDBJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

_lateness: list[float] = []


async def record_lateness() -> None:
    """The work: notes how late after the full minute it begins, in seconds."""
    now = datetime.now(UTC)
    _lateness.append((now - now.replace(second=0, microsecond=0)).total_seconds())


async def run(
    expressions: Sequence[str], wait: Callable[[], Awaitable[None]], *, stored: bool
) -> list[float]:
    """Schedules a job for each expression while it waits; how late each run began."""
    store = MemoryJobStore()
    if stored:
        store = MongoDBJobStore(database=os.environ["DB_NAME"], host=os.environ["MONGO_URL"])
    scheduler = AsyncIOScheduler(timezone=UTC, jobstores={"default": store})
    for number, cron in enumerate(expressions):
        trigger = CronTrigger.from_crontab(cron, timezone=UTC)
        scheduler.add_job(record_lateness, trigger, id=f"s{number}", misfire_grace_time=None)
    scheduler.start()
    try:
        await wait()
    finally:
        scheduler.shutdown(wait=False)
    return _lateness
