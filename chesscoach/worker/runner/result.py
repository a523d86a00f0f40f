"""The result of a run: the record for people and scripts, the canonical line, the exit code."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from chesscoach import log
from chesscoach.config import JobLimits
from chesscoach.schedules.outcome import Counts, Outcome
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner.attempts import Attempt, shard_key
from chesscoach.worker.shard import ALL_USERS, Shard, shard_name
from chesscoach.worker.shutdown import ShutdownRequest

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_HELD = 0, 1, 2, 75
_LEVELS = {"succeeded": "info", "partial": "warning", "cancelled": "warning"}


class RunResult(Struct, frozen=True, kw_only=True):
    """The exit code of a run, and its record as people and scripts get it."""

    exit_code: int
    record: dict[str, Any]


def exit_code(outcome: Outcome, counts: Counts, limits: JobLimits, stop: ShutdownRequest) -> int:
    """The process's exit code for a run; see docs/jobs.md."""
    if outcome == "cancelled" and stop.signal is not None:
        return 128 + stop.signal
    if outcome == "partial" and counts.success_rate() >= limits.success_threshold:
        return EXIT_DONE
    return EXIT_DONE if outcome == "succeeded" else EXIT_FAILED


def count_fields(counts: Counts) -> dict[str, Any]:
    """The counts as fields."""
    return {
        "candidates": counts.candidates,
        "done": counts.done,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "notes": dict(counts.notes),
        "errors": list(counts.errors),
    }


def run_record(
    attempt: Attempt,
    outcome: Outcome,
    code: int,
    counts: Counts,
    finished_at: datetime,
    duration_s: float,
) -> dict[str, Any]:
    """The record of a run that has ended."""
    slot = attempt.run.slot
    return {
        "event": "job_finished",
        "job": attempt.run.job,
        "run_id": attempt.run.id,
        "schedule": slot.schedule if slot else None,
        "slot": slot.name if slot else None,
        "shard": shard_name(attempt.run.shard),
        "attempt": attempt.number,
        "outcome": outcome,
        "source": attempt.run.source,
        "started_at": attempt.run.started_at.isoformat(),
        "finished_at": finished_at.isoformat(),
        "duration_s": duration_s,
        "exit_code": code,
        **count_fields(counts),
    }


def not_run_record(
    job: Job,
    outcome: str,
    reason: str,
    slot: Slot | None = None,
    shard: Shard = ALL_USERS,
) -> dict[str, Any]:
    """The record of a process that ran nothing."""
    return {
        "event": "nothing_to_run",
        "job": job.name,
        "run_id": shard_key(slot.key, shard) if slot else None,
        "schedule": slot.schedule if slot else None,
        "slot": slot.name if slot else None,
        "shard": shard_name(shard),
        "outcome": outcome,
        "reason": reason,
    }


def log_result(record: dict[str, Any], counts: Counts, limits: JobLimits) -> None:
    """Logs the canonical line, and before it each warning about the run."""
    logger = log.get_logger()
    if counts.success_rate() < limits.success_threshold:
        rate = round(counts.success_rate(), 3)
        logger.warning("success_rate_low", rate=rate, threshold=limits.success_threshold)
    if record["duration_s"] > limits.warn_after_s:
        logger.warning(
            "run_slow", duration_s=record["duration_s"], warn_after_s=limits.warn_after_s
        )
    getattr(logger, _LEVELS.get(record["outcome"], "error"))(**record)
