"""The stored schedules: those of the configuration, and the changes of operators.

A change counts from its own instant. A slot that was due before stays due, and a change never makes
an earlier slot due.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chesscoach import log
from chesscoach.errors import ConfigError, NotFound, RevisionConflict
from chesscoach.schedules import due
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.job import Job, job_of
from chesscoach.worker.store.schedules import ChangeKind, StoredSchedule
from chesscoach.worker.worker import Worker

_TRIGGER_FIELDS = ("cron", "timezone", "every", "anchor", "at", "enabled")


async def sync_from_config(worker: Worker) -> None:
    """Updates the stored schedules from the configuration.

    A new entry is added, and a changed one is changed. An entry that is gone is retired. If an
    operator has edited a schedule, it stays, and the configuration's is stored beside it. A paused
    schedule stays paused. Several processes can do this at once.
    """
    stored = {schedule.id: schedule for schedule in await worker.schedules.all()}
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
    for key, known in stored.items():
        if known.origin == "config" and key not in worker.config.schedules and not known.retired:
            await _change_with_history(worker, known, "retired", {"retired": True})
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
    """Returns the fields of the document that a change of a schedule sets."""
    fields: dict[str, Any] = {"schedule": schedule}
    trigger_changed = any(
        getattr(schedule, name) != getattr(stored.schedule, name) for name in _TRIGGER_FIELDS
    )
    if trigger_changed or stored.quarantined is not None:
        fields |= {
            "effective_since": worker.now(),
            "pending_slot": await unrecorded_slot(worker, stored),
        }
    return fields


async def unrecorded_slot(worker: Worker, stored: StoredSchedule) -> datetime | None:
    """Returns the slot that has come, whatever its jitter, and is not recorded yet."""
    if not stored.is_active:
        return None
    newest = await worker.runs.newest(stored.id)
    return unrecorded_slot_after(stored, newest.slot if newest else None, worker.now())


def unrecorded_slot_after(
    stored: StoredSchedule, newest: datetime | None, now: datetime
) -> datetime | None:
    """Returns the same of a schedule whose newest recorded slot is known."""
    if not stored.is_active:
        return None
    recorded = newest or stored.effective_since
    at_once = replace(stored.schedule, jitter_s=0.0)
    slot = due.due_slots(stored.id, at_once, max(stored.effective_since, recorded), now).slot
    if slot is not None:
        return slot.at
    pending = stored.pending_slot
    return pending if pending and (newest is None or recorded < pending) else None


async def all_schedules(worker: Worker) -> list[StoredSchedule]:
    """Returns all schedules by id: the stored ones, and those that are only configured."""
    schedules = {key: _from_config(worker, key) for key in worker.config.schedules}
    schedules |= {stored.id: stored for stored in await worker.schedules.all()}
    return [schedules[key] for key in sorted(schedules)]


async def find_schedule(worker: Worker, schedule_id: str) -> StoredSchedule:
    """Returns a stored schedule, else the configured one.

    Raises:
        NotFound: there is no such schedule.
    """
    stored = await worker.schedules.get(schedule_id)
    if stored is not None:
        return stored
    if schedule_id in worker.config.schedules:
        return _from_config(worker, schedule_id)
    known = ", ".join(stored.id for stored in await all_schedules(worker)) or "none"
    msg = f"schedule {schedule_id!r} does not exist; there are: {known}"
    raise NotFound(msg)


def _from_config(worker: Worker, schedule_id: str) -> StoredSchedule:
    schedule = worker.config.schedules[schedule_id]
    return StoredSchedule(
        id=schedule_id, schedule=schedule, origin="config", revision=0, effective_since=worker.now()
    )


async def add_schedule(
    worker: Worker,
    jobs: Mapping[str, Job],
    schedule_id: str,
    schedule: Schedule,
    by: str | None = None,
) -> StoredSchedule:
    """Adds a schedule of an operator's own.

    Raises:
        ConfigError: the id exists, the job does not exist, or it refuses the arguments.
    """
    job_of(schedule_id, schedule, jobs)
    if schedule_id in worker.config.schedules:
        msg = f"there is a schedule {schedule_id} in the configuration already: edit it"
        raise ConfigError(msg)
    stored = StoredSchedule(
        id=schedule_id, schedule=schedule, origin="user", revision=1, effective_since=worker.now()
    )
    await worker.schedules.add(stored, by)
    return stored


async def edit_schedule(
    worker: Worker,
    jobs: Mapping[str, Job],
    stored: StoredSchedule,
    schedule: Schedule,
    by: str | None = None,
) -> StoredSchedule:
    """Changes a schedule for an operator; a configured one is marked as edited.

    Raises:
        ConfigError: the job does not exist or refuses the arguments.
        RevisionConflict: the schedule has changed meanwhile.
    """
    job_of(stored.id, schedule, jobs)
    fields = await _revised_fields(worker, stored, schedule)
    if stored.origin == "config":
        # What the daemon stored: the configuration of this process may differ.
        configured = stored.configured if stored.edited else stored.schedule
        if stored.unreadable:
            configured = worker.config.schedules.get(stored.id, schedule)
        edited = schedule != configured
        fields |= {"edited": edited, "configured": configured if edited else None}
    if stored.unreadable:
        fields |= {name: getattr(stored, name) for name in ("origin", "paused", "retired")}
    return await _change(worker, stored, "edited", {**fields, "quarantined": None}, by)


async def pause_schedule(
    worker: Worker, stored: StoredSchedule, reason: str | None = None, by: str | None = None
) -> StoredSchedule:
    """Pauses a schedule: no further slot runs until it is resumed; a run in progress continues.

    A schedule that is paused gets the new reason, if there is one.
    """
    if stored.paused and reason in (None, stored.pause_reason):
        return stored
    fields = {"paused": True, "pause_reason": reason, "pending_slot": None}
    return await _change(worker, stored, "paused", fields, by, reason)


async def resume_schedule(
    worker: Worker, stored: StoredSchedule, by: str | None = None
) -> StoredSchedule:
    """Resumes a schedule from now on: slots of the pause do not run."""
    if not stored.paused:
        return stored
    fields = {"paused": False, "pause_reason": None, "effective_since": worker.now()}
    return await _change(worker, stored, "resumed", fields, by)


async def remove_schedule(worker: Worker, stored: StoredSchedule) -> None:
    """Deletes an operator's own schedule, or a retired one.

    Raises:
        ConfigError: the schedule is configured.
        RevisionConflict: the schedule has changed meanwhile.
    """
    if stored.origin == "config" and not stored.retired:
        msg = f"{stored.id} is in the configuration: delete it there, or pause it"
        raise ConfigError(msg)
    if not await worker.schedules.remove(stored.id, stored.revision):
        raise _conflict(stored)


async def _change(
    worker: Worker,
    stored: StoredSchedule,
    what: ChangeKind,
    fields: dict[str, Any],
    by: str | None = None,
    reason: str | None = None,
) -> StoredSchedule:
    if not stored.revision:
        stored = replace(stored, revision=1)
        await worker.schedules.add(stored)
    note = stored.change_entry(what, worker.now(), by=by, reason=reason, **fields)
    changed = await worker.schedules.change(stored.id, stored.revision, note, **fields)
    if changed is None:
        raise _conflict(stored)
    return changed


async def _change_with_history(
    worker: Worker, stored: StoredSchedule, what: ChangeKind, fields: dict[str, Any]
) -> StoredSchedule | None:
    note = stored.change_entry(what, worker.now(), **fields)
    return await worker.schedules.change(stored.id, stored.revision, note, **fields)


def _conflict(stored: StoredSchedule) -> RevisionConflict:
    return RevisionConflict(f"{stored.id} has changed meanwhile: look at it again")
