"""Subscribed players, a fake SendGrid, and runs of the job."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import Context, open_context
from chesscoach.jobs import weekly_emails
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.runner import result, runner
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import Clock
from tests.support.fake_sendgrid import FakeSendGrid

KEY = "SG.fake"
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""When the emails of 2026-W47 are due in UTC."""


class EmailScenario:
    """Players, runs at an instant, and the accepted emails."""

    def __init__(self, settings: Settings, db: Any, sendgrid: FakeSendGrid, clock: Clock) -> None:
        self.settings = settings
        self.db = db
        self.sendgrid = sendgrid
        self.clock = clock
        self.ctx: Context

    def change_settings(self, **emails: Any) -> None:
        """Change settings of `[emails]`."""
        config = replace(
            self.settings.config, emails=replace(self.settings.config.emails, **emails)
        )
        self.settings = replace(self.settings, config=config)

    def change_sendgrid_settings(self, **sendgrid: Any) -> None:
        """Change settings of `[emails.sendgrid]`."""
        self.change_settings(sendgrid=replace(self.settings.config.emails.sendgrid, **sendgrid))

    def add_user(
        self, user_id: str, *, games: int = 1, at: datetime | None = None, **more: Any
    ) -> None:
        """Add a subscribed player with games in the week; `more` overrides fields."""
        user = _user(user_id) | more
        self.db.users.insert_one({key: v for key, v in user.items() if v is not ...})
        for number in range(games):
            self.add_game(user_id, at or MONDAY - timedelta(days=2), number)

    def add_users(self, count: int) -> None:
        """Add players u000, u001 and so on."""
        names = [f"u{number:03}" for number in range(count)]
        self.db.users.insert_many([_user(name) for name in names])
        self.db.games.insert_many([_game(name, MONDAY - timedelta(days=2), 0) for name in names])

    def add_game(self, user_id: str, ended_at: datetime, number: int = 0) -> None:
        """Add a game that the player won."""
        self.db.games.insert_one(_game(user_id, ended_at, number))

    async def run(
        self, stop: ShutdownRequest | None = None, shard: Shard = ALL_USERS, **args: Any
    ) -> result.RunResult:
        """Run the job manually, with a context of its own."""
        async with open_context(self.settings, self.clock) as ctx:
            checked = weekly_emails.JOB.check(args)
            return await runner.run_manually(
                ctx.worker, weekly_emails.JOB, checked, stop or ShutdownRequest(), shard=shard
            )

    async def run_dry(self) -> result.RunResult:
        """Make a dry run of the job, with a context of its own."""
        async with open_context(self.settings, self.clock) as ctx:
            args = weekly_emails.JOB.check({})
            return await runner.dry_run(ctx.worker, weekly_emails.JOB, args, ShutdownRequest())

    async def run_slot(self, at: datetime, name: str = "weekly_emails") -> result.RunResult:
        """Run a slot of a configured schedule."""
        schedule = self.settings.config.schedules[name]
        slot = Slot(schedule=name, at=at)
        async with open_context(self.settings, self.clock) as ctx:
            return await runner.run_slot(
                ctx.worker, weekly_emails.JOB, schedule, slot, source="cli", stop=ShutdownRequest()
            )

    @property
    def accepted_ids(self) -> list[str]:
        """The outbox ids of the accepted emails, in order."""
        return [email.outbox_id for email in self.sendgrid.accepted]

    def states(self) -> dict[str, str]:
        """The state of each email in the outbox, by user."""
        return {entry["user_id"]: entry["state"] for entry in self.db.email_outbox.find()}

    def reasons(self) -> dict[str, str]:
        """The reason of each email in the outbox, by user."""
        return {entry["user_id"]: entry["reason"] for entry in self.db.email_outbox.find()}


def _user(user_id: str) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "email": f"{user_id}@example.org",
        "name": user_id.title(),
        "email_notifications": {"weekly_summary": True},
    }


def _game(user_id: str, ended_at: datetime, number: int) -> dict[str, Any]:
    return {
        "game_id": f"{user_id}-{ended_at:%Y%m%d%H%M}-{number}",
        "user_id": user_id,
        "platform": "lichess",
        "time_control": "blitz",
        "user_color": "white",
        "result": "1-0",
        "url": f"https://lichess.org/abcdefg{number % 10}",
        "pgn": "",
        "imported_at": ended_at.isoformat(),
        "ended_at": ended_at.isoformat(),
    }


def email_id(user_id: str, week: str = "2026-W47") -> str:
    """The outbox id of an email."""
    return f"weekly_summary:{user_id}:{week}"
