"""The list of all jobs. No job registers itself."""

from chesscoach.config import Config
from chesscoach.jobs import (
    cleanup,
    momentum,
    recommendations,
    snapshots,
    sync_games,
    training_sessions,
    weekly_emails,
)
from chesscoach.worker.job import Job, job_of

JOBS: dict[str, Job] = {
    job.name: job
    for job in (
        sync_games.JOB,
        weekly_emails.JOB,
        cleanup.JOB,
        momentum.JOB,
        snapshots.JOB,
        recommendations.JOB,
        training_sessions.JOB,
    )
}


def check_schedules(config: Config) -> None:
    """Holds the configured schedules to the jobs and their parameters.

    Raises:
        ConfigError: a schedule of a job that does not exist, or with arguments that it refuses.
    """
    for key, schedule in config.schedules.items():
        job_of(f"schedules.{key}", schedule, JOBS)
