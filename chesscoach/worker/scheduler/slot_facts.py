"""The facts of a slot, as an explanation needs them: its record, its schedule and their leases."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chesscoach.config import RunnerSettings
from chesscoach.errors import ConfigError
from chesscoach.schedules import due, slots
from chesscoach.schedules.due import DueSlots
from chesscoach.schedules.schedule import Schedule, Slot, format_rfc3339
from chesscoach.worker.runner import attempts
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.shard import record_shard
from chesscoach.worker.store.lease import LeaseStatus
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker


class SlotFacts(Struct, frozen=True, kw_only=True):
    """What the database knows of a slot.

    `record` is the slot's own, or that of the range or the shard that decides. `superseded` says
    whether a newer slot than that of the record is recorded. `lease` is that of a run in progress.
    `newest` is the schedule's newest record, and `plan` what is due after it. `holders` hold all
    leases of the schedule, in words.
    """

    slot: Slot
    now: datetime
    settings: RunnerSettings
    lease_ttl_s: float
    schedule: StoredSchedule | None = None
    record: RunRecord | None = None
    superseded: bool = False
    lease: LeaseStatus | None = None
    newest: RunRecord | None = None
    plan: DueSlots = DueSlots()
    holders: tuple[str, ...] = ()


async def gather_facts(worker: Worker, schedule_id: str, at: datetime) -> SlotFacts:
    """Returns the facts of a slot.

    Raises:
        ConfigError: the schedule does not exist, and the slot has no record.
    """
    slot = Slot(schedule=schedule_id, at=at)
    record = await worker.runs.find(slot.key)
    try:
        stored = await schedule_admin.find_schedule(worker, schedule_id)
    except ConfigError:
        if record is None:
            raise
        stored = None
    if record is None and stored is not None and is_slot_of(slot, stored):
        record = await worker.runs.find_covering(schedule_id, at)
    facts = SlotFacts(
        slot=slot,
        now=worker.now(),
        settings=worker.config.runner,
        lease_ttl_s=worker.leases.ttl_s,
        schedule=stored,
        record=record,
        holders=await _lease_holders(worker, stored.schedule) if stored is not None else (),
    )
    if record is not None:
        shard = record_shard(record.shard)
        return replace(
            facts,
            superseded=await worker.runs.is_superseded(slot, shard),
            lease=await worker.leases.status(record.lease),
        )
    newest = await worker.runs.newest(schedule_id)
    return replace(facts, newest=newest, plan=_plan(stored, newest, worker.now()))


def _plan(stored: StoredSchedule | None, newest: RunRecord | None, now: datetime) -> DueSlots:
    if stored is None:
        return DueSlots()
    last = stored.effective_since
    if newest is not None and newest.slot is not None:
        last = max(last, newest.slot)
    return due.due_slots(stored.id, stored.schedule, last, now)


def is_slot_of(slot: Slot, stored: StoredSchedule) -> bool:
    """Whether a schedule that can be read is due at a slot, or was before it changed."""
    if stored.unreadable:
        return False
    return slot.at == stored.pending_slot or slots.is_slot(stored.id, stored.schedule, slot.at)


async def _lease_holders(worker: Worker, schedule: Schedule) -> tuple[str, ...]:
    """Returns the holders of a schedule's leases, in words; empty if one of them is free."""
    keys = attempts.lease_keys(schedule.lock or schedule.job, schedule.max_instances)
    statuses = (await worker.leases.statuses(keys)).values()
    held = tuple(_describe_holder(status.holder) for status in statuses if status.alive)
    return held if len(held) == len(keys) else ()


def _describe_holder(holder: dict[str, Any]) -> str:
    run, since = holder.get("run_id") or f"a run of {holder.get('job')}", holder.get("since")
    begun = f", since {format_rfc3339(since)}" if isinstance(since, datetime) else ""
    return f"{run} (pid {holder.get('pid')} on {holder.get('host')}{begun})"
