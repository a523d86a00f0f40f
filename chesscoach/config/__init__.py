"""Settings: what can be set, and how it is read."""

from chesscoach.config.cleanup import Cleanup
from chesscoach.config.emails import Emails, SendGrid
from chesscoach.config.listen_address import Address
from chesscoach.config.loading import load
from chesscoach.config.settings import (
    LISTENERS,
    Chesscom,
    Config,
    Database,
    Lichess,
    Limits,
    Listener,
    Log,
    Origin,
    Process,
    Settings,
    Sources,
    Web,
)

__all__ = [
    "LISTENERS",
    "Address",
    "Chesscom",
    "Cleanup",
    "Config",
    "Database",
    "Emails",
    "Lichess",
    "Limits",
    "Listener",
    "Log",
    "Origin",
    "Process",
    "SendGrid",
    "Settings",
    "Sources",
    "Web",
    "load",
]
