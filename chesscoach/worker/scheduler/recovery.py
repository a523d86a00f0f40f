"""Open runs that no process holds: started again, or closed if a newer slot replaces them.

A run is left open by a crash (its lease has expired), a deploy (it was cancelled) or a failure with
attempts left. The daemon's tick looks for such runs every few seconds.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

from chesscoach import log
from chesscoach.schedules import due
from chesscoach.schedules.outcome import FAILED_OUTCOMES, Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.shard import Shard, record_shard
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker

RETRY_DELAY = timedelta(seconds=60)
"""How long after a failed attempt the next one starts."""


async def open_slots(
    worker: Worker, stored: Mapping[str, StoredSchedule]
) -> AsyncIterator[tuple[Schedule, Slot, Shard]]:
    """Looks at every open run once; yields the slots, or shards of them, to run now."""
    active = [key for key, schedule in stored.items() if schedule.is_active]
    open_runs = await worker.runs.find_open(active, worker.config.runner.max_attempts)
    for record in (run.record for run in open_runs if run.orphaned):
        verdict = await _decide(worker, record, stored)
        if isinstance(verdict, StoredSchedule) and record.slot is not None:
            slot = Slot(schedule=verdict.id, at=record.slot)
            yield verdict.schedule, slot, record_shard(record.shard)
        elif isinstance(verdict, tuple):
            await _close(worker, record, *verdict)


async def _decide(
    worker: Worker, record: RunRecord, stored: Mapping[str, StoredSchedule]
) -> StoredSchedule | tuple[Outcome, str] | None:
    """The schedule whose slot must run again, or how the run ends; None to wait."""
    now, schedule = worker.now(), stored.get(record.schedule or "")
    if schedule is None or record.slot is None or not schedule.is_active:
        return "abandoned", "its process is gone"
    slot, shard = Slot(schedule=schedule.id, at=record.slot), record_shard(record.shard)
    if schedule.schedule.coalesce and await worker.runs.is_superseded(slot, shard):
        return "coalesced", "a newer slot of the schedule is recorded"
    if due.is_too_late(schedule.schedule, slot, now):
        grace = schedule.schedule.misfire_grace_s
        return "missed", f"it could not be finished within {grace} s"
    ended = record.finished_at
    # An end that is further ahead was written before a clock was set back.
    if record.outcome in FAILED_OUTCOMES and ended is not None and abs(now - ended) < RETRY_DELAY:
        return None
    return schedule


async def _close(worker: Worker, record: RunRecord, outcome: Outcome, reason: str) -> None:
    if await worker.runs.close_orphaned(record, outcome, reason, worker.now()):
        worker.metrics.count_skipped(record.job, outcome)
        log.get_logger().warning(
            "run_closed", run_id=record.id, was=record.outcome, outcome=outcome, reason=reason
        )
