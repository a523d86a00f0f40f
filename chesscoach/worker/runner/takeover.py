"""Taking over a slot that another process has recorded."""

from chesscoach.worker.runner import liveness
from chesscoach.worker.runner.attempts import SlotUnavailable
from chesscoach.worker.store.run_documents import NewRun, RunRecord
from chesscoach.worker.worker import Worker


async def take_over(worker: Worker, run: NewRun) -> int | SlotUnavailable:
    """Makes a slot ours whose owner is dead or has left it open; returns the attempt's number.

    A slot that is ours already stays so.
    """
    record = await worker.runs.claim(run)
    while record.claim != run.claim:
        if (closed := _closed_reason(worker, record)) is not None:
            return closed
        if record.outcome == "running":
            verdict = await liveness.watch_run(worker, record)
            if verdict == "alive":
                return SlotUnavailable(outcome="running", reason=f"running: {record.owner}")
            if verdict == "moved":
                moved = await worker.runs.claim(run)
                if (closed := _closed_reason(worker, moved)) is not None:
                    return SlotUnavailable(outcome=closed.outcome, reason=closed.reason)
                record = moved
                continue
        if await worker.runs.reclaim(record, run) and record.outcome == "running":
            worker.metrics.count_skipped(run.job, "abandoned")  # its own process could not count it
        record = await worker.runs.claim(run)
    return record.attempt


def _closed_reason(worker: Worker, record: RunRecord) -> SlotUnavailable | None:
    """The reason to leave a slot alone, if it is closed; the exit code is its own."""
    if not record.is_closed(worker.config.runner.max_attempts):
        return None
    return SlotUnavailable(
        outcome=record.outcome,
        reason=f"closed: {record.outcome}",
        exit_code=record.exit_code or 0,
    )
