"""Players in a database, checks at an instant, and what the checks left."""

from datetime import date, datetime
from typing import Any

from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.jobs import momentum
from chesscoach.worker.runner import runner
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.momentum.application import Application
from tests.support.momentum.outcome import Outcome


class MomentumScenario(Outcome):
    """A database with players; each check is a manual run at an instant of its own."""

    def __init__(self, settings: Settings, db: Any) -> None:
        self.settings = settings
        self.db = db
        self.application = Application(db)
        super().__init__(lambda name, query: list(db[name].find(query)))

    def change_settings(self, **fields: Any) -> None:
        """Changes settings of `[momentum]`."""
        config = self.settings.config
        self.settings = replace(
            self.settings,
            config=replace(config, momentum=replace(config.momentum, **fields)),
        )

    async def check(self, now: str, check: str = "all", **args: Any) -> RunResult:
        """Runs checks at an instant, and expects them to succeed."""
        result = await self.try_check(now, check, **args)
        assert result.exit_code == 0, result.record
        return result

    async def try_check(self, now: str, check: str = "all", **args: Any) -> RunResult:
        """Runs checks at an instant, whatever comes of it."""
        given = momentum.JOB.check({"check": check, "now": now, **args}, strict=False)
        async with open_context(self.settings) as ctx:
            return await runner.run_manually(ctx.worker, momentum.JOB, given, ShutdownRequest())

    async def begin(self, now: str) -> None:
        """The first run of all: what is older than it never counts."""
        await self.check(now)

    def add_player(self, user_id: str, timezone: str | None = "UTC", **progress: Any) -> None:
        """Adds a user with a progress document that has these fields."""
        self.application.register(user_id, timezone=... if timezone is None else timezone)
        self.application.start_progress(user_id, **progress)

    def add_points(self, user_id: str, points: int, day: str) -> None:
        """Adds a line of the ledger, as an earlier award has left it; the counters stay."""
        local = date.fromisoformat(day)
        year, week, _ = local.isocalendar()
        self.db.momentum_events.insert_one(
            {
                "_id": f"reflection|{user_id}|{day}-{points}",
                "user_id": user_id,
                "action": "reflection",
                "points": points,
                "ts": datetime.fromisoformat(f"{day}T12:00:00+00:00"),
                "local_date": day,
                "week_key": f"{year}-W{week:02}",
                "month_key": day[:7],
            }
        )

    def unlock(self, user_id: str, *achievements: str) -> None:
        """Adds achievements that the application has unlocked before."""
        self.db.user_achievements.insert_many(
            {
                "user_id": user_id,
                "achievement_id": achievement,
                "unlocked_at": datetime.fromisoformat("2025-12-01T00:00:00+00:00"),
            }
            for achievement in achievements
        )
