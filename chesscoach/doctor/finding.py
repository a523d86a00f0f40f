"""What a check receives, and what it returns."""

from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct

from chesscoach.config import Settings
from chesscoach.context import Context
from chesscoach.errors import ConfigError

Level = Literal["ok", "warn", "fail"]


class Finding(Struct, frozen=True, kw_only=True):
    """One line: its level, what the check found, and what to do about it.

    `unusable` means that the configuration itself cannot be used: exit code 2. The runner of the
    checks sets `check`.
    """

    level: Level
    what: str
    do: str = ""
    check: str = ""
    unusable: bool = False


class CheckContext(Struct, frozen=True, kw_only=True):
    """What the checks receive; `context` is None if the database cannot be used.

    `config_error` names a setting that cannot be used, `unavailable_reason` any other cause.
    """

    settings: Settings
    context: Context | None = None
    config_error: ConfigError | None = None
    unavailable_reason: str = ""


class Check(Struct, frozen=True):
    """A check by name. The runner handles its errors and its deadline."""

    name: str
    run: Callable[[CheckContext], Awaitable[Finding]]


class DatabaseCheck(Struct, frozen=True):
    """A check that needs the database; the runner skips it without one."""

    name: str
    run: Callable[[Context], Awaitable[Finding]]


def ok(what: str) -> Finding:
    """The check found no problem."""
    return Finding(level="ok", what=what)


def warn(what: str, do: str = "") -> Finding:
    """It works, but an operator should know."""
    return Finding(level="warn", what=what, do=do)


def fail(what: str, do: str = "") -> Finding:
    """It does not work."""
    return Finding(level="fail", what=what, do=do)


def unusable(error: ConfigError) -> Finding:
    """A setting cannot be used; the error names it and says why."""
    return Finding(level="fail", what=str(error), unusable=True)
