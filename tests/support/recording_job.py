"""A job for tests of the scheduler: it notes what it does and ends when it is let go."""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.context import Context
from chesscoach.schedules.outcome import Counts
from chesscoach.worker.job import Job, Run


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it takes: nothing that it needs."""

    label: Annotated[str, Meta(max_length=20)] = ""


class RecordingJob:
    """A job that runs until `go` is set; `begun` and `ended` are the slots, in that order."""

    def __init__(self, name: str = "chore", *, held: bool = False) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.max_running = 0
        self.fail: BaseException | None = None
        self.release = asyncio.Event()
        if not held:
            self.release.set()
        self.job = Job(name=name, run=self._run, args=Args, help="A chore.")

    async def _run(self, ctx: Context, run: Run, args: Args) -> Counts:
        name = run.slot.name if run.slot else "by hand"
        self.started.append(name)
        self.max_running = max(self.max_running, len(self.started) - len(self.ended))
        try:
            await self.release.wait()
            if self.fail is not None:
                raise self.fail
        finally:
            self.ended.append(name)
        return run.counts
