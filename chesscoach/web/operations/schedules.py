"""Actions on schedules. Each returns the schedule as it is afterwards.

`revision` is the one that the operator has seen; None is refused (428), an older one too (412). An
action that changes nothing, such as pausing what is paused, succeeds.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import msgspec

from chesscoach.errors import ConfigError, NotFound, RevisionConflict
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.schedule import Schedule, format_rfc3339
from chesscoach.web.auth import Operator
from chesscoach.web.operations.admin import Admin, display_name, logged_action
from chesscoach.web.operations.revisions import require_revision
from chesscoach.web.problems import Problem, invalid
from chesscoach.worker.job import job_of
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.store.schedules import StoredSchedule

MAX_REASON_LENGTH = 200


async def create(
    admin: Admin,
    operator: Operator,
    schedule_id: str,
    schedule: Schedule,
    *,
    replace_existing: bool = False,
    revision: int | None = None,
) -> tuple[StoredSchedule, bool]:
    """Creates a schedule; returns it, and whether it is new.

    With `replace_existing`, one of that id is edited instead, whatever its revision, unless one is
    given. Without it that is a Problem (409).
    """
    worker = admin.ctx.worker
    try:
        old = await schedule_admin.find_schedule(worker, schedule_id)
    except NotFound:
        added = await _add(admin, operator, schedule_id, schedule)
        if added is not None:
            return added, True
        old = await schedule_admin.find_schedule(worker, schedule_id)
    if not replace_existing:
        raise Problem(409, f"there is a schedule {schedule_id} already", current=old.revision)
    while True:
        given = old.revision if revision is None else revision
        try:
            return await edit(admin, operator, schedule_id, schedule, given), False
        except Problem as problem:
            if revision is not None or problem.status != 412:
                raise
        old = await schedule_admin.find_schedule(worker, schedule_id)


async def _add(
    admin: Admin, operator: Operator, schedule_id: str, schedule: Schedule
) -> StoredSchedule | None:
    """Adds a schedule; None if one of that id has been added at the same time."""
    worker, by = admin.ctx.worker, display_name(operator)
    _refuse_past(schedule, worker.now())
    try:
        async with logged_action(
            admin, operator, "schedules add", schedule=schedule_id, trigger=schedule.trigger
        ):
            return await schedule_admin.add_schedule(worker, JOBS, schedule_id, schedule, by)
    except ConfigError:
        with suppress(NotFound):
            await schedule_admin.find_schedule(worker, schedule_id)
            return None
        raise


async def edit(
    admin: Admin, operator: Operator, schedule_id: str, schedule: Schedule, revision: int | None
) -> StoredSchedule:
    """Replaces what a schedule does; a slot that is due stays due."""
    old = await _find(admin, schedule_id, revision)
    if schedule == old.schedule and old.quarantined is None and not old.unreadable:
        return old
    if schedule.at != old.schedule.at:
        _refuse_past(schedule, admin.ctx.worker.now())
    async with logged_action(
        admin,
        operator,
        "schedules edit",
        schedule=schedule_id,
        revision=old.revision,
        before=msgspec.to_builtins(old.schedule),
        after=msgspec.to_builtins(schedule),
    ):
        by = display_name(operator)
        async with _conflicts_explained(admin, old):
            return await schedule_admin.edit_schedule(admin.ctx.worker, JOBS, old, schedule, by)


async def pause(
    admin: Admin, operator: Operator, schedule_id: str, revision: int | None, reason: str = ""
) -> StoredSchedule:
    """Runs no further slots; `reason` is shown wherever the schedule is."""
    old = await _find(admin, schedule_id, revision)
    reason = " ".join(reason.split())
    if len(reason) > MAX_REASON_LENGTH:
        raise Problem(422, f"reason: longer than {MAX_REASON_LENGTH} characters")
    async with (
        logged_action(admin, operator, "schedules pause", schedule=schedule_id, reason=reason),
        _conflicts_explained(admin, old),
    ):
        return await schedule_admin.pause_schedule(
            admin.ctx.worker, old, reason or None, display_name(operator)
        )


async def resume(
    admin: Admin, operator: Operator, schedule_id: str, revision: int | None
) -> StoredSchedule:
    """Runs slots again, from now on."""
    old = await _find(admin, schedule_id, revision)
    async with logged_action(admin, operator, "schedules resume", schedule=schedule_id):
        by = display_name(operator)
        async with _conflicts_explained(admin, old):
            return await schedule_admin.resume_schedule(admin.ctx.worker, old, by)


async def delete(admin: Admin, operator: Operator, schedule_id: str, revision: int | None) -> None:
    """Deletes a schedule of an operator's own, or a retired one; a Problem (409) otherwise."""
    old = await _find(admin, schedule_id, revision)
    async with logged_action(admin, operator, "schedules remove", schedule=schedule_id):
        try:
            async with _conflicts_explained(admin, old):
                await schedule_admin.remove_schedule(admin.ctx.worker, old)
        except (NotFound, RevisionConflict):
            raise
        except ConfigError as error:
            raise Problem(409, str(error)) from None


async def run_now(admin: Admin, operator: Operator, schedule_id: str) -> str:
    """Starts a manual run of a schedule's job with its arguments; returns the id of the run.

    The run belongs to no slot and changes none; the schedule may be paused. It runs in this
    process. If the lease is held, a LeaseHeld names the holder.
    """
    stored = await schedule_admin.find_schedule(admin.ctx.worker, schedule_id)
    if stored.unreadable:
        raise Problem(409, f"{schedule_id}: {stored.quarantined}")
    job = job_of(schedule_id, stored.schedule, JOBS)
    args = job.check(stored.schedule.args)
    async with logged_action(admin, operator, "schedules run-now", schedule=schedule_id) as came:
        came["run_id"] = await admin.manual_runs.start(job, args, stored.schedule)
        return str(came["run_id"])


def _refuse_past(schedule: Schedule, now: datetime) -> None:
    """A slot from before a schedule was stored never runs: `at` has to come."""
    if schedule.at is not None and schedule.at <= now:
        raise invalid("at", f"{format_rfc3339(schedule.at)} has passed: give an instant to come")


@asynccontextmanager
async def _conflicts_explained(admin: Admin, old: StoredSchedule) -> AsyncIterator[None]:
    """Refuses a change that another one overtakes, with the changes since, like a late one."""
    try:
        yield
    except RevisionConflict:
        await _find(admin, old.id, old.revision)
        raise


async def _find(admin: Admin, schedule_id: str, revision: int | None) -> StoredSchedule:
    stored = await schedule_admin.find_schedule(admin.ctx.worker, schedule_id)
    require_revision(schedule_id, stored.revision, revision, stored.history)
    return stored
