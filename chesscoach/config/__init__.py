"""Settings: what can be set, and how it is read."""

from chesscoach.config.loading import load
from chesscoach.config.settings import (
    Chesscom,
    Config,
    Database,
    Lichess,
    Limits,
    Log,
    Origin,
    Process,
    Settings,
    Sources,
)

__all__ = [
    "Chesscom",
    "Config",
    "Database",
    "Lichess",
    "Limits",
    "Log",
    "Origin",
    "Process",
    "Settings",
    "Sources",
    "load",
]
