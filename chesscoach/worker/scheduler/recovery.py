"""Runs that nobody works any more: worked again, or closed where something newer stands for them.

A run is left open by a crash (its lease has run out), a deploy (it was cancelled) or a failure with
attempts left. Whoever comes next takes it on; here that is a daemon's tick, every few seconds.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

from chesscoach import log
from chesscoach.schedules import due
from chesscoach.schedules.outcome import Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.runner import shards
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker

RETRY_DELAY = timedelta(seconds=60)
"""A failed attempt is followed by the next so much later."""

_FAILURES = ("failed", "timed_out")


async def open_slots(
    worker: Worker, stored: Mapping[str, StoredSchedule]
) -> AsyncIterator[tuple[Schedule, Slot, Shard]]:
    """Looks at every open run once; yields the slots, or parts of them, to be worked now."""
    active = [key for key, schedule in stored.items() if schedule.is_active]
    found = await worker.runs.find_open(active, worker.config.runner.max_attempts)
    for record in (run.record for run in found if run.orphaned):
        if await _all_ended(worker, record):
            continue
        verdict = await _decide(worker, record, stored)
        if isinstance(verdict, StoredSchedule) and record.slot is not None:
            slot = Slot(schedule=verdict.id, at=record.slot)
            for shard in await _shards_to_run(worker, record, slot):
                yield verdict.schedule, slot, shard
        elif isinstance(verdict, tuple):
            await _close(worker, record, *verdict)


async def _all_ended(worker: Worker, record: RunRecord) -> bool:
    """Whether it is a slot whose parts have all ended; it is closed now, whatever its schedule."""
    if record.parts == 1 or record.part is not None or not (record.schedule and record.slot):
        return False
    return await shards.close_slot(
        worker, Slot(schedule=record.schedule, at=record.slot), record.parts
    )


async def _shards_to_run(worker: Worker, record: RunRecord, slot: Slot) -> list[Shard]:
    """What of a slot is to be worked by its record; parts that were begun have their own."""
    if record.part is not None:
        return [Shard(index=record.part, of=record.parts)]
    if record.parts == 1:
        return [ALL_USERS]
    begun = {part.part for part in await worker.shards.find_by_slot(slot)}
    return [Shard(index=i, of=record.parts) for i in range(record.parts) if i not in begun]


async def _decide(
    worker: Worker, record: RunRecord, stored: Mapping[str, StoredSchedule]
) -> StoredSchedule | tuple[Outcome, str] | None:
    """The schedule whose slot is to be worked again, or how the run ends; None to wait."""
    now, schedule = worker.now(), stored.get(record.schedule or "")
    if schedule is None or record.slot is None or not schedule.is_active:
        return "abandoned", "its process is gone"
    slot = Slot(schedule=schedule.id, at=record.slot)
    if schedule.schedule.coalesce and await worker.runs.is_superseded(slot):
        return "coalesced", "a newer slot of the schedule is recorded"
    if due.is_too_late(schedule.schedule, slot, now):
        grace = schedule.schedule.misfire_grace_s
        return "missed", f"it could not be finished within {grace} s"
    ended = record.finished_at
    # An end that lies further ahead was written before a clock was set back.
    if record.outcome in _FAILURES and ended is not None and abs(now - ended) < RETRY_DELAY:
        return None
    return schedule


async def _close(worker: Worker, record: RunRecord, outcome: Outcome, reason: str) -> None:
    if await worker.runs.close_orphaned(record, outcome, reason, worker.now()):
        worker.metrics.count_skipped(record.job, outcome)
        log.get_logger().warning(
            "run_closed", run_id=record.id, was=record.outcome, outcome=outcome, reason=reason
        )
