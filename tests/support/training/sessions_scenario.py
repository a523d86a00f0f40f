"""Routines in a database, the commands at an instant, and the sessions that they left."""

import asyncio
import json
from datetime import datetime
from typing import Any

import click
from click.testing import CliRunner, Result

from chesscoach.cli.main import main
from chesscoach.jobs import training_sessions
from chesscoach.jobs.command import build_command
from tests.conftest import Clock
from tests.support import processes

DEFAULTS = {
    "title": "Evening games",
    "kind": "manual",
    "recurrence": "daily",
    "from": "2026-03-01",
    "at": "18:00",
    "minutes": "45",
}


class SessionsScenario:
    """Our commands in this process, each at an instant of its own."""

    def __init__(self, environment: dict[str, str], db: Any) -> None:
        self.environment = environment
        self.db = db
        self.clock = Clock(datetime.fromisoformat("2026-03-01T00:00:00+00:00"))

    def add_user(self, user_id: str = "u1", timezone: Any = "UTC") -> None:
        """Adds a user, perhaps without a time zone."""
        zone = {} if timezone is None else {"timezone": timezone}
        self.db.users.insert_one({"user_id": user_id, "email": f"{user_id}@example.org", **zone})

    def at(self, now: str) -> None:
        """Moves the clock."""
        instant = datetime.fromisoformat(now)
        self.clock.now = instant.replace(tzinfo=instant.tzinfo or self.clock.now.tzinfo)

    def cli(self, *args: str, code: int = 0, stdin: str | None = None) -> Result:
        """Runs `chesscoach ARGS`, and expects an exit code."""
        return self._invoke(main, args, code, stdin)

    def cli_json(self, *args: str) -> Any:
        """The same with --json; returns what was printed."""
        return json.loads(self.cli(*args, "--json").stdout)

    def add(self, user_id: str = "u1", *flags: str, **options: str | None) -> dict[str, Any]:
        """Adds a routine with the default options and some others; None leaves one out."""
        given = {**DEFAULTS, **options}
        args = [
            word
            for name, value in given.items()
            if value is not None
            for word in (f"--{name.rstrip('_').replace('_', '-')}", value)
        ]
        routine: dict[str, Any] = self.cli_json("routines", "add", user_id, *args, *flags)
        return routine

    def run(self, now: str, *flags: str, code: int = 0) -> dict[str, Any]:
        """Runs the job at an instant, and returns its record."""
        command = build_command(training_sessions.JOB)
        args = ("--now", now, "--json", *flags)
        record: dict[str, Any] = json.loads(self._invoke(command, args, code, None).stdout)
        return record

    def sessions(self, **query: Any) -> list[dict[str, Any]]:
        """The stored sessions in the order of their days."""
        return list(self.db.training_sessions.find(query).sort("_id", 1))

    def days(self, **query: Any) -> list[str]:
        """Their days, as 03-01."""
        return [session["local_date"][5:] for session in self.sessions(**query)]

    def starts(self, **query: Any) -> list[str]:
        """Their starts, as 03-01T18:00Z."""
        return [f"{session['starts_at']:%m-%dT%H:%MZ}" for session in self.sessions(**query)]

    def starts_and_revisions(self) -> list[str]:
        """The start and the revision of each session, as 2026-03-01 18:00 1."""
        return [f"{s['starts_at']:%Y-%m-%d %H:%M} {s['revision']}" for s in self.sessions()]

    def statuses(self, **query: Any) -> dict[str, str]:
        """The status of each day."""
        return {s["local_date"][5:]: s["status"] for s in self.sessions(**query)}

    def process(self, module: str, *args: str) -> None:
        """Runs a command in a process of its own, and expects it to succeed or find it running."""
        finished = asyncio.run(processes.run(self.environment, module, *args))
        assert finished.code in (0, 75), finished

    def _invoke(
        self, command: click.Command, args: tuple[str, ...], code: int, stdin: str | None
    ) -> Result:
        result = CliRunner().invoke(
            command, args, input=stdin, env=self.environment, obj=self.clock, catch_exceptions=False
        )
        assert result.exit_code == code, (args, result.exit_code, result.output)
        return result
