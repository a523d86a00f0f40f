"""A job that ignores its cancellation, to be run as a process."""

import asyncio

from chesscoach.context import Context
from chesscoach.jobs.command import main
from chesscoach.schedules.outcome import Counts
from chesscoach.worker.job import Job, Run
from tests.support.recording_job import Args


async def _run_uncancellable(ctx: Context, run: Run, args: Args) -> Counts:
    for_ever = asyncio.Event()
    while True:
        try:
            await for_ever.wait()
        except asyncio.CancelledError:
            continue


JOB = Job(name="stubborn", run=_run_uncancellable, args=Args, help="Ignores its cancellation.")

if __name__ == "__main__":
    main(JOB)
