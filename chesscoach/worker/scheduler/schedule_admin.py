"""The stored schedules: what the configuration lays in at start, and what operators change.

A change never loses a slot that was due and never makes one due that was not: it counts from its
own instant, and the slot that was owed before it stays owed.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chesscoach import log
from chesscoach.errors import ConfigError
from chesscoach.schedules import due
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.job import Job, job_of
from chesscoach.worker.store.schedules import ChangeKind, StoredSchedule
from chesscoach.worker.worker import Worker

_TRIGGER_FIELDS = ("cron", "timezone", "every", "anchor", "at", "enabled")


async def sync_from_config(worker: Worker) -> None:
    """Brings the stored schedules in line with the configuration.

    An entry that is new is added, one that is gone is retired, one that has changed is changed,
    unless an operator has edited it: then he is told what the configuration says by now. One that
    he paused stays paused. Several processes may do this at once.
    """
    stored = {each.id: each for each in await worker.schedules.all()}
    for key, schedule in worker.config.schedules.items():
        if key in stored:
            await _update_from_config(worker, stored[key], schedule)
        else:
            new = StoredSchedule(
                id=key, schedule=schedule, origin="config", revision=1, effective_since=worker.now()
            )
            try:
                await worker.schedules.add(new)
            except ConfigError:
                continue  # another process was faster
            log.get_logger().info("schedule_added", schedule=key, trigger=schedule.trigger)
    for key, each in stored.items():
        if each.origin == "config" and key not in worker.config.schedules and not each.retired:
            await _change_with_history(worker, each, "retired", {"retired": True})
            log.get_logger().warning("schedule_retired", schedule=key)


async def _update_from_config(worker: Worker, stored: StoredSchedule, schedule: Schedule) -> None:
    if stored.origin == "user":
        log.get_logger().warning("schedule_shadowed", schedule=stored.id)
        return
    if stored.retired:
        fields: dict[str, Any] = {
            "schedule": schedule,
            "effective_since": worker.now(),
            "pending_slot": None,
        }
        fields |= {"retired": False, "edited": False, "configured": None}
        await _change_with_history(worker, stored, "returned", fields)
    elif stored.edited:
        if schedule == stored.schedule:
            await worker.schedules.change(stored.id, stored.revision, edited=False, configured=None)
        elif schedule != stored.configured:
            await worker.schedules.change(stored.id, stored.revision, configured=schedule)
    elif schedule != stored.schedule:
        await _change_with_history(
            worker, stored, "changed", await _revised_fields(worker, stored, schedule)
        )
        log.get_logger().info("schedule_changed", schedule=stored.id, trigger=schedule.trigger)


async def _revised_fields(
    worker: Worker, stored: StoredSchedule, schedule: Schedule
) -> dict[str, Any]:
    """What a change of a schedule makes of its row."""
    fields: dict[str, Any] = {"schedule": schedule}
    otherwise = any(
        getattr(schedule, name) != getattr(stored.schedule, name) for name in _TRIGGER_FIELDS
    )
    if otherwise or stored.quarantined is not None:
        fields |= {
            "effective_since": worker.now(),
            "pending_slot": await unrecorded_slot(worker, stored),
        }
    return fields


async def unrecorded_slot(worker: Worker, stored: StoredSchedule) -> datetime | None:
    """The slot whose time has come, whatever its jitter, and that is not recorded yet."""
    if not stored.is_active:
        return None
    newest = await worker.runs.newest(stored.id)
    recorded = newest.slot if newest and newest.slot else stored.effective_since
    at_once = replace(stored.schedule, jitter_s=0.0)
    work = due.due_slots(
        stored.id, at_once, max(stored.effective_since, recorded), worker.now()
    ).slot
    if work is not None:
        return work.at
    return (
        stored.pending_slot
        if stored.pending_slot and (newest is None or recorded < stored.pending_slot)
        else None
    )


async def all_schedules(worker: Worker) -> list[StoredSchedule]:
    """All schedules by id: the stored ones, and those of the configuration that are not yet."""
    found = {key: _from_config(worker, key) for key in worker.config.schedules}
    found |= {stored.id: stored for stored in await worker.schedules.all()}
    return [found[key] for key in sorted(found)]


async def find_schedule(worker: Worker, schedule_id: str) -> StoredSchedule:
    """A stored schedule, else the configuration's.

    Raises:
        ConfigError: there is neither.
    """
    stored = await worker.schedules.get(schedule_id)
    if stored is not None:
        return stored
    if schedule_id in worker.config.schedules:
        return _from_config(worker, schedule_id)
    known = ", ".join(each.id for each in await all_schedules(worker)) or "none"
    msg = f"there is no schedule {schedule_id}; there are: {known}"
    raise ConfigError(msg)


def _from_config(worker: Worker, schedule_id: str) -> StoredSchedule:
    schedule = worker.config.schedules[schedule_id]
    return StoredSchedule(
        id=schedule_id, schedule=schedule, origin="config", revision=0, effective_since=worker.now()
    )


async def add_schedule(
    worker: Worker, jobs: Mapping[str, Job], schedule_id: str, schedule: Schedule
) -> StoredSchedule:
    """A schedule of an operator's own.

    Raises:
        ConfigError: there is one of that id; or there is no such job, or it refuses the arguments.
    """
    job_of(schedule_id, schedule, jobs)
    if schedule_id in worker.config.schedules:
        msg = f"there is a schedule {schedule_id} in the configuration already: edit it"
        raise ConfigError(msg)
    stored = StoredSchedule(
        id=schedule_id, schedule=schedule, origin="user", revision=1, effective_since=worker.now()
    )
    await worker.schedules.add(stored)
    return stored


async def edit_schedule(
    worker: Worker, jobs: Mapping[str, Job], stored: StoredSchedule, schedule: Schedule
) -> StoredSchedule:
    """An operator's change of a schedule; one of the configuration's is marked as edited.

    Raises:
        ConfigError: as above, or somebody has changed it meanwhile.
    """
    job_of(stored.id, schedule, jobs)
    fields = await _revised_fields(worker, stored, schedule)
    if stored.origin == "config":
        # What the daemon laid in: the configuration of whoever edits may be another.
        configured = stored.configured if stored.edited else stored.schedule
        if stored.unreadable:
            configured = worker.config.schedules.get(stored.id, schedule)
        edited = schedule != configured
        fields |= {"edited": edited, "configured": configured if edited else None}
    if stored.unreadable:
        fields |= {name: getattr(stored, name) for name in ("origin", "paused", "retired")}
    return await _change(worker, stored, "edited", {**fields, "quarantined": None})


async def pause_schedule(worker: Worker, stored: StoredSchedule) -> StoredSchedule:
    """Works no further slots of a schedule until it is resumed; what runs goes on."""
    if stored.paused:
        return stored
    return await _change(worker, stored, "paused", {"paused": True, "pending_slot": None})


async def resume_schedule(worker: Worker, stored: StoredSchedule) -> StoredSchedule:
    """Goes on from now: slots of the pause are not worked."""
    if not stored.paused:
        return stored
    return await _change(
        worker, stored, "resumed", {"paused": False, "effective_since": worker.now()}
    )


async def remove_schedule(worker: Worker, stored: StoredSchedule) -> None:
    """Deletes an operator's own schedule, or one that is retired.

    Raises:
        ConfigError: the configuration has it, and would lay it in again; or somebody has changed
            it meanwhile.
    """
    if stored.origin == "config" and not stored.retired:
        msg = f"{stored.id} is in the configuration: take it out there, or pause it"
        raise ConfigError(msg)
    if not await worker.schedules.remove(stored.id, stored.revision):
        raise _conflict(stored)


async def _change(
    worker: Worker, stored: StoredSchedule, what: ChangeKind, fields: dict[str, Any]
) -> StoredSchedule:
    if not stored.revision:
        stored = replace(stored, revision=1)
        await worker.schedules.add(stored)
    changed = await _change_with_history(worker, stored, what, fields)
    if changed is None:
        raise _conflict(stored)
    return changed


async def _change_with_history(
    worker: Worker, stored: StoredSchedule, what: ChangeKind, fields: dict[str, Any]
) -> StoredSchedule | None:
    note = stored.change_entry(what, worker.now(), **fields)
    return await worker.schedules.change(stored.id, stored.revision, note, **fields)


def _conflict(stored: StoredSchedule) -> ConfigError:
    return ConfigError(f"somebody has changed {stored.id} meanwhile: look at it again")
