"""Runs of the cleanup in a test's own context."""

from typing import Any

from msgspec.structs import replace

from chesscoach.config import Config
from chesscoach.context import Context
from chesscoach.jobs import cleanup
from chesscoach.schedules.outcome import Counts
from chesscoach.worker.job import Run
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.cleanup_documents import LIMITS


async def run_cleanup(
    ctx: Context, *, dry_run: bool = False, stop: ShutdownRequest | None = None, **args: Any
) -> tuple[Counts, Run]:
    """A run of the job at the context's instant."""
    run = Run("t", slot=None, manual=True, dry_run=dry_run, stop=stop or ShutdownRequest())
    counts = await cleanup.run(ctx, run, cleanup.Args(**args))
    return counts, run


def with_limits(ctx: Context, **limits: Any) -> Context:
    """The context with other limits."""
    config: Config = replace(ctx.config, cleanup=replace(LIMITS, **{"pause_s": 0, **limits}))
    return replace(ctx, config=config)
