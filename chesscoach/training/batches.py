"""Processes players in batches, and finds the player whose data make a batch fail."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from chesscoach import log
from chesscoach.errors import ChesscoachError, LeaseLost, StoreFailed, StoreUnavailable
from chesscoach.training.activity import Activity
from chesscoach.training.player import Player
from chesscoach.worker.job import Run

Step = Callable[[Sequence[Player]], Awaitable[None]]
"""What is done with a batch; with an empty one it must do nothing but reach the database."""


async def process_in_batches(
    run: Run, batches: AsyncIterator[Sequence[Player]], step: Step
) -> None:
    """Runs a step for each batch; a batch that fails is halved until one player is left.

    Raises:
        StoreFailed: the step fails for no players at all.
        StoreUnavailable: MongoDB does not answer.
        LeaseLost: another run has taken the lease.
    """

    async def batches_until_stop() -> AsyncIterator[Sequence[Player]]:
        async for batch in batches:
            if run.stopping:
                run.incomplete = True
                return
            run.counts.candidates += len(batch)
            yield batch

    await run.for_each(batches_until_stop(), lambda batch: process_batch(run, batch, step))


async def process_batch(run: Run, batch: Sequence[Player], step: Step) -> None:
    """Runs a step for a batch; a batch that fails is halved.

    Raises:
        StoreFailed: the step fails for no players at all.
    """
    try:
        await step(batch)
    except StoreFailed as error:
        await step([])
        if len(batch) == 1:
            count_failure(run, batch[0], error)
            return
    except (StoreUnavailable, LeaseLost):
        raise
    else:
        return
    middle = len(batch) // 2
    await process_batch(run, batch[:middle], step)
    await process_batch(run, batch[middle:], step)


def count_failure(run: Run, player: Player, error: Exception) -> None:
    """Counts a player whose data cannot be used, and logs who it is."""
    ours = isinstance(error, ChesscoachError)
    reason = str(error) if ours else type(error).__name__
    run.counts.failed += 1
    run.counts.add_error(user_id=player.user_id, error=reason)
    log.get_logger().error(
        "player_failed",
        user_id=player.user_id,
        error=reason,
        exc_info=None if ours else error,
    )


def name_unreadable(run: Run, player: Player, activity: Activity) -> None:
    """Names a player of whom some documents cannot be read, in the record of the run.

    The player is done all the same: such a document counts as nothing.
    """
    collections = activity.unreadable | ({"user_progress"} if player.has_odd_progress else set())
    if collections:
        run.counts.note("players_with_unreadable_documents")
        run.counts.add_error(
            user_id=player.user_id,
            error=f"documents that cannot be read: {', '.join(sorted(collections))}",
        )
