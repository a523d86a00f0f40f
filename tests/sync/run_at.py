"""`sync_games` at an instant of one's choosing, as a process that can be killed.

It works the schedule's latest slot before that instant, from which on its clock goes like any.

Usage: python -m tests.sync.run_at INSTANT
"""

import sys
import time
from datetime import datetime, timedelta

from chesscoach import process
from chesscoach.context import Context, open_context
from chesscoach.jobs import sync_games
from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.runner import runner
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.shutdown import ShutdownRequest

_SCHEDULE_ID = "sync_games"


async def run_latest_slot(ctx: Context, stop: ShutdownRequest) -> RunResult:
    """Works the latest slot, as `--scheduled` does."""
    schedule = ctx.config.schedules[_SCHEDULE_ID]
    slot = slots.latest_slot(_SCHEDULE_ID, schedule, ctx.now())
    assert isinstance(slot, Slot)
    return await runner.run_slot(
        ctx.worker, sync_games.JOB, schedule, slot, source="cli", stop=stop
    )


def main() -> None:
    """See the module."""
    instant, begun = datetime.fromisoformat(sys.argv[1]), time.monotonic()
    settings = process.load_settings(None, stream="stdout")
    stop = ShutdownRequest()

    async def inside() -> int:
        def now() -> datetime:
            return instant + timedelta(seconds=time.monotonic() - begun)

        async with open_context(settings, now) as ctx:
            return (await run_latest_slot(ctx, stop)).exit_code

    sys.exit(process.run_until_stopped(inside, stop))


if __name__ == "__main__":
    main()
