"""Runs the slot of `--scheduled`, by the stored schedule or else by the configured one."""

from datetime import UTC, datetime

from chesscoach import log
from chesscoach.errors import ConfigError
from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner import result, runner
from chesscoach.worker.runner.execution import ProgressCallback
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker


async def run_scheduled(
    worker: Worker,
    job: Job,
    schedule_id: str,
    stop: ShutdownRequest,
    observe: ProgressCallback | None = None,
    shard: Shard = ALL_USERS,
) -> RunResult:
    """Runs a slot of a schedule, or a shard of it: of the stored schedule, else the configured one.

    A schedule that is paused, disabled, retired or quarantined runs no slot. A Kubernetes Job that
    an operator created is a manual run.

    Raises:
        ConfigError: the job has no such schedule, or the instant is not a slot of it.
        SetupError: the database lacks an index that the job relies on.
    """
    stored = await worker.schedules.get(schedule_id)
    schedule = stored.schedule if stored else worker.config.schedules.get(schedule_id)
    if stored is not None and stored.quarantined is not None:
        return _not_run(job, schedule_id, stored.state, stored.quarantined)
    if schedule is None or schedule.job != job.name:
        known = await _known_schedules(worker, job)
        msg = f"--scheduled: {job.name} has no schedule {schedule_id!r}; it has {known}"
        raise ConfigError(msg)
    if _is_manual_job(worker):
        args = job.check(schedule.args)
        return await runner.run_manually(worker, job, args, stop, observe, schedule, shard)
    state = stored.state if stored else "active" if schedule.enabled else "disabled"
    if state != "active":
        return _not_run(job, schedule_id, state)
    slot = Slot(schedule=schedule_id, at=_slot_instant(worker, schedule_id, schedule))
    source = worker.process.source
    return await runner.run_slot(
        worker, job, schedule, slot, source=source, stop=stop, observe=observe, shard=shard
    )


async def _known_schedules(worker: Worker, job: Job) -> list[str]:
    stored: list[StoredSchedule] = await worker.schedules.all()
    schedules = {**worker.config.schedules, **{one.id: one.schedule for one in stored}}
    return sorted(key for key, schedule in schedules.items() if schedule.job == job.name)


def _not_run(job: Job, schedule_id: str, state: str, detail: str | None = None) -> RunResult:
    reason = f"the schedule {schedule_id} is {state}" + (f": {detail}" if detail else "")
    log.get_logger().info("slot_skipped", job=job.name, schedule=schedule_id, reason=reason)
    record = {**result.not_run_record(job, state, reason), "schedule": schedule_id}
    return RunResult(exit_code=result.EXIT_DONE, record=record)


def _is_manual_job(worker: Worker) -> bool:
    """Whether this is a Kubernetes Job whose name does not end in a slot's Unix minutes."""
    if worker.process.slot is not None or worker.process.kubernetes_job is None:
        return False
    minutes = _unix_minutes_suffix(worker.process.kubernetes_job)
    return not (minutes.isascii() and minutes.isdigit() and 7 <= len(minutes) <= 9)


def _unix_minutes_suffix(kubernetes_job: str) -> str:
    return kubernetes_job.rpartition("-")[2]


def _slot_instant(worker: Worker, schedule_id: str, schedule: Schedule) -> datetime:
    """Returns the instant of the slot that this process is for."""
    if worker.process.slot is not None:
        return worker.process.slot
    if worker.process.kubernetes_job is not None:
        return datetime.fromtimestamp(
            int(_unix_minutes_suffix(worker.process.kubernetes_job)) * 60, UTC
        )
    slot = slots.latest_slot(schedule_id, schedule, worker.now())
    if slot is None:
        msg = f"the schedule {schedule_id} has had no slot yet"
        raise ConfigError(msg)
    return slot.at
