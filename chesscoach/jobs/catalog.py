"""The jobs there are. A list, not a registry: nothing registers itself."""

from collections.abc import Mapping

from chesscoach.config import Config
from chesscoach.errors import ConfigError
from chesscoach.jobs import cleanup, sync_games, weekly_emails
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.job import Job

JOBS: dict[str, Job] = {job.name: job for job in (sync_games.JOB, weekly_emails.JOB, cleanup.JOB)}


def check_schedules(config: Config) -> None:
    """Holds the configured schedules to the jobs and their parameters.

    Raises:
        ConfigError: a schedule of a job that does not exist, or with arguments that it refuses.
    """
    for key, schedule in config.schedules.items():
        job_of(f"schedules.{key}", schedule)


def job_of(where: str, schedule: Schedule, jobs: Mapping[str, Job] = JOBS) -> Job:
    """The job of a schedule.

    Raises:
        ConfigError: there is none of that name, or it refuses the arguments.
    """
    job = jobs.get(schedule.job)
    if job is None:
        msg = f"{where}.job: there is no job {schedule.job!r}; there are {list(jobs)}"
        raise ConfigError(msg)
    try:
        job.check(schedule.args)
    except ConfigError as error:
        msg = f"{where}.args: {error}"
        raise ConfigError(msg) from None
    return job
