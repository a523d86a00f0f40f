"""`--now`: the instant as of which a job or a command works, for tests."""

from datetime import UTC, date, datetime, time
from typing import Annotated

from msgspec import Meta

from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.mongo import timestamps

AsOf = Annotated[
    str | None,
    Meta(description="Run as of this instant, such as 2026-03-09T06:00:00Z, for tests."),
]
"""The type of a job's argument `now`."""


def instant_of_run(ctx: Context, text: str | None, *, dry_run: bool) -> datetime:
    """The instant of `--now`, by default the clock's.

    Raises:
        ConfigError: the text is not an instant, or `[database] production` refuses it.
    """
    if text is None:
        return ctx.now()
    refuse_in_production(ctx, dry_run=dry_run)
    now = parse_instant(text)
    if now is None:
        msg = f"--now: {text[:80]!r} is not an instant, such as 2026-03-09T06:00:00Z"
        raise ConfigError(msg)
    return now


def refuse_in_production(ctx: Context, *, dry_run: bool = False) -> None:
    """Refuses `--now` where it would change the data of users.

    Raises:
        ConfigError: `[database] production` is true, and this is not a dry run.
    """
    if ctx.config.database.production and not dry_run:
        msg = "--now: [database] production is true, so only a dry run of a job may use it"
        raise ConfigError(msg)


def parse_instant(text: str) -> datetime | None:
    """The instant of a text; a date is its first instant in UTC."""
    try:
        return datetime.combine(date.fromisoformat(text), time.min, UTC)
    except ValueError:
        return timestamps.parse_instant(text)
