"""What a check looks at, and what it finds."""

from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct

from chesscoach.config import Settings
from chesscoach.context import Context
from chesscoach.errors import ConfigError

Level = Literal["ok", "warn", "fail"]


class Finding(Struct, frozen=True, kw_only=True):
    """One line: how it stands, what there is, what to do about it.

    `unusable` says that it is the configuration itself which cannot be used: exit code 2.
    `check` is filled in by who called the check.
    """

    level: Level
    what: str
    do: str = ""
    check: str = ""
    unusable: bool = False


class CheckContext(Struct, frozen=True, kw_only=True):
    """What the checks look at; `ctx` is None where the database cannot be used.

    `config_error` names a setting that cannot be used, `unavailable_reason` any other cause.
    """

    settings: Settings
    ctx: Context | None = None
    config_error: ConfigError | None = None
    unavailable_reason: str = ""


class Check(Struct, frozen=True):
    """A check by name; it raises what it likes, and takes at most the time that all have."""

    name: str
    run: Callable[[CheckContext], Awaitable[Finding]]


class DatabaseCheck(Struct, frozen=True):
    """A check that needs the database, and is not made without it."""

    name: str
    run: Callable[[Context], Awaitable[Finding]]


def ok(what: str) -> Finding:
    """As it should be."""
    return Finding(level="ok", what=what)


def warn(what: str, do: str = "") -> Finding:
    """Works, or passes, but somebody should know."""
    return Finding(level="warn", what=what, do=do)


def fail(what: str, do: str = "") -> Finding:
    """Does not work."""
    return Finding(level="fail", what=what, do=do)


def unusable(error: ConfigError) -> Finding:
    """What an operator wrote cannot be used; the error names it and says why."""
    return Finding(level="fail", what=str(error), unusable=True)
