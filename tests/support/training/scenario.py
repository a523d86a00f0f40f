"""Players in a database, runs of the training jobs at an instant, and what the runs left."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.jobs import recommendations, snapshots
from chesscoach.worker.job import Job
from chesscoach.worker.runner import runner
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.momentum.application import Application

CHECKED_FIELDS = (
    "pace_score",
    "pace",
    "quiz_average",
    "lessons_completed_count",
    "time_spent_minutes_today",
)


class TrainingScenario:
    """A database with players; each run is a manual one at an instant of its own."""

    def __init__(self, settings: Settings, db: Any) -> None:
        self.settings = settings
        self.db = db
        self.application = Application(db)

    def change_settings(self, **fields: Any) -> None:
        """Changes settings of `[training]`."""
        config = self.settings.config
        training = replace(config.training, **fields)
        self.settings = replace(self.settings, config=replace(config, training=training))

    def add_player(self, user_id: str = "u1", timezone: Any = "UTC", **progress: Any) -> None:
        """Adds a user with a progress document; the time zone None leaves the field out."""
        self.application.register(user_id, timezone=... if timezone is None else timezone)
        self.application.start_progress(user_id, **progress)

    async def run(self, job: Job, now: str, **args: Any) -> RunResult:
        """Runs a job at an instant, and expects it to succeed."""
        result = await self.try_run(job, now, **args)
        assert result.exit_code == 0, result.record
        return result

    async def try_run(self, job: Job, now: str, **args: Any) -> RunResult:
        """Runs a job at an instant, whatever comes of it."""
        given = job.check({"now": now, **args}, strict=False)
        async with open_context(self.settings) as ctx:
            return await runner.run_manually(ctx.worker, job, given, ShutdownRequest())

    async def snap(self, now: str, **args: Any) -> RunResult:
        """Takes snapshots at an instant."""
        return await self.run(snapshots.JOB, now, **args)

    async def try_run_snapshots(self, now: str, **args: Any) -> RunResult:
        """Takes snapshots at an instant, whatever comes of it."""
        return await self.try_run(snapshots.JOB, now, **args)

    async def try_run_recommendations(self, now: str) -> RunResult:
        """Makes recommendations at an instant, whatever comes of it."""
        return await self.try_run(recommendations.JOB, now)

    async def recommend(self, now: str, **args: Any) -> RunResult:
        """Makes recommendations at an instant."""
        return await self.run(recommendations.JOB, now, **args)

    def active(self, user_id: str = "u1") -> dict[str, dict[str, Any]]:
        """A player's active recommendations by type, the most important first."""
        found = self.db.adaptive_recommendations.find({"user_id": user_id, "is_active": True})
        return {item["recommendation_type"]: item for item in found.sort("priority", -1)}

    def snapshot(self, day: str, user_id: str = "u1") -> dict[str, Any]:
        """The only snapshot of a player's day."""
        (found,) = self.db.performance_snapshots.find({"user_id": user_id, "local_date": day})
        return dict(found)

    def figures(self, day: str, user_id: str = "u1") -> tuple[Any, ...]:
        """Pace, label, quiz average, lessons and minutes of a player's day."""
        snapshot = self.snapshot(day, user_id)
        return tuple(snapshot[name] for name in CHECKED_FIELDS)

    def analyse(self, user_id: str, at: str, accuracy: float = 80, **fields: Any) -> str:
        """Adds a proper analysis at an instant such as `2026-03-08 04:59:59` in UTC."""
        return self.application.analyse_by_worker(
            user_id, utc(at), accuracy=accuracy, blunders=fields.pop("blunders", 0), **fields
        )

    def attempt(self, user_id: str, at: str, *, solved: bool, seconds: float = 0) -> None:
        """Adds an attempt at a puzzle."""
        self.application.attempt_puzzle_by_schema(user_id, utc(at), solved=solved, seconds=seconds)


def utc(text: str) -> datetime:
    """An instant of a text without a zone; a day is its noon."""
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return at if len(text) > len("2026-03-01") else at + timedelta(hours=12)
